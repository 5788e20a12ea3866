//! Whether calling a gateway again helps. The admin API's crate knows what went wrong and nothing of the reconciler.

use moorline_admin::{AdminError, ConnectionFault};
use moorline_model::FailureClass;

/// Of a call that did not succeed.
pub(crate) fn of_call(error: &AdminError) -> FailureClass {
    match error {
        AdminError::Unreachable { source, .. } => of_connection(ConnectionFault::of(source)),
        AdminError::Refused { problem, .. } => of_status(problem.status),
        // What stands in front of a gateway answers for it while it is away.
        AdminError::Foreign { status, .. } => of_status(*status),
        AdminError::Misdirected { .. } | AdminError::Unreadable { .. } | AdminError::Endpoint { .. } => {
            FailureClass::Stalled
        }
    }
}

/// Of a connection that failed. A name may come, and so may who listens there; a certificate does not mend itself.
pub(crate) const fn of_connection(fault: ConnectionFault) -> FailureClass {
    match fault {
        ConnectionFault::Refused
        | ConnectionFault::NameNotFound
        | ConnectionFault::TimedOut
        | ConnectionFault::Unreachable
        | ConnectionFault::BrokeOff
        | ConnectionFault::Other => FailureClass::Transient,
        ConnectionFault::Certificate | ConnectionFault::Tls | ConnectionFault::NotHttp => {
            FailureClass::Stalled
        }
    }
}

const fn of_status(status: u16) -> FailureClass {
    match status {
        408 | 429 | 500.. => FailureClass::Transient,
        _ => FailureClass::Stalled,
    }
}

#[cfg(test)]
mod tests {
    use moorline_admin::{Problem, Server};

    use super::*;

    #[test]
    fn a_gateway_that_is_away_may_come_back_and_a_refused_token_needs_a_person() {
        let url = || Box::new("http://a:8788/admin/v1/status".parse().unwrap());
        let refused = |status| {
            let problem = Box::new(Problem::new(status, "any", "any", "any"));
            of_call(&AdminError::Refused { method: http::Method::GET, url: url(), problem })
        };
        let foreign = |status| of_call(&AdminError::Foreign { url: url(), status });
        assert_eq!([503, 429].map(refused), [FailureClass::Transient, FailureClass::Transient]);
        assert_eq!([401, 403, 422].map(refused), [const { FailureClass::Stalled }; 3]);
        assert_eq!([502, 404].map(foreign), [FailureClass::Transient, FailureClass::Stalled]);
        let misdirected = AdminError::Misdirected { url: url(), found: Server::GatewayCallers };
        assert_eq!(of_call(&misdirected), FailureClass::Stalled);
        assert_eq!(of_connection(ConnectionFault::Refused), FailureClass::Transient);
        assert_eq!(of_connection(ConnectionFault::Certificate), FailureClass::Stalled);
    }
}
