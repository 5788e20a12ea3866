//! Policies of the watched repository: Rego, evaluated before a change begins.
//!
//! In: the policies' files as they stand at the commit, and one input: `{environment, commit, plan, document, now}`.
//! Out: every denial, or why the policies could not be evaluated, which refuses as well: a control that cannot inspect
//! must not pass.
//!
//! A policy is a package under `moorline` with a rule `deny contains message if { … }`. Files that end in
//! `_test.rego` hold tests (`test_…` rules) and are left out of evaluation.

mod input;
mod problem;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use moorline_model::masking;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value as RegoValue};
use serde_json::Value;

pub use input::policy_input;
pub use problem::PolicyError;

/// Longest evaluation of all policies' rules, each.
const EVALUATION_TIME_MAX: Duration = Duration::from_secs(2);
/// Steps of evaluation between two looks at that clock.
const STEPS_BETWEEN_CHECKS: NonZeroU32 = NonZeroU32::new(256).unwrap();
/// Most bytes of one policy file.
const FILE_BYTES_MAX: usize = 256 << 10;
/// The end of a test file's name.
const TEST_SUFFIX: &str = "_test.rego";
/// Packages that are asked begin with this.
const ROOT: &str = "data.moorline.";

/// Why a policy refuses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Denial {
    /// The package of the rule (`moorline.providers`).
    pub rule: String,
    /// What it says.
    pub message: String,
}

/// What one test came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PolicyTest {
    /// The test: package and rule.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Whether it holds.
    pub passed: bool,
    /// Why it could not be evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone)]
pub struct Policies {
    engine: Engine,
    packages: BTreeSet<String>,
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Policies").field("packages", &self.packages).finish_non_exhaustive()
    }
}

impl Policies {
    /// Compiles policies from (file name, text) pairs. Test files are left out.
    ///
    /// # Errors
    /// [`PolicyError`], with file and line, when one does not compile, or is in a package that nobody asks.
    pub fn compile(files: &[(String, String)]) -> Result<Self, PolicyError> {
        let rules: Vec<_> = files.iter().filter(|(name, _)| !name.ends_with(TEST_SUFFIX)).collect();
        Self::compile_all(&rules)
    }

    fn compile_all(files: &[&(String, String)]) -> Result<Self, PolicyError> {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: EVALUATION_TIME_MAX,
            check_interval: STEPS_BETWEEN_CHECKS,
        });
        let mut packages = BTreeSet::new();
        for (name, text) in files {
            if text.len() > FILE_BYTES_MAX {
                return Err(PolicyError::TooLarge { file: name.clone(), bytes_max: FILE_BYTES_MAX });
            }
            let package = engine
                .add_policy(name.clone(), text.clone())
                .map_err(|error| PolicyError::compile(name, &error))?;
            if !package.starts_with(ROOT) {
                return Err(PolicyError::Package { file: name.clone(), package: plain(&package) });
            }
            packages.insert(package);
        }
        // Names and types are resolved on the first evaluation; better here than before an apply.
        engine
            .eval_query("true".to_owned(), false)
            .map_err(|error| PolicyError::compile("policies", &error))?;
        Ok(Self { engine, packages })
    }

    /// Asks every policy. The denials are sorted; none means that the change may go on.
    ///
    /// # Errors
    /// [`PolicyError`] when a rule cannot be evaluated, takes too long, or does not answer with a set of texts.
    pub fn evaluate(&self, input: &Value) -> Result<Vec<Denial>, PolicyError> {
        let mut engine = self.engine.clone();
        let input = RegoValue::from_json_str(&input.to_string())
            .map_err(|error| PolicyError::Input { problem: error.to_string() })?;
        engine.set_input(input);
        let mut denials = BTreeSet::new();
        for package in &self.packages {
            let rule = format!("{package}.deny");
            let answer = ask(&mut engine, &rule)?;
            for message in messages(&rule, &answer)? {
                denials.insert(Denial { rule: plain(package), message });
            }
        }
        Ok(denials.into_iter().collect())
    }
}

/// Runs the `test_…` rules of test files, with all other files beside them.
///
/// # Errors
/// [`PolicyError`] when a file does not compile.
pub fn test_policies(files: &[(String, String)]) -> Result<Vec<PolicyTest>, PolicyError> {
    let policies = Policies::compile_all(&files.iter().collect::<Vec<_>>())?;
    let mut tests = Vec::new();
    for (file, text) in files.iter().filter(|(name, _)| name.ends_with(TEST_SUFFIX)) {
        let package = Engine::new()
            .add_policy(file.clone(), text.clone())
            .map_err(|error| PolicyError::compile(file, &error))?;
        for test in test_names(text) {
            let mut engine = policies.engine.clone();
            let rule = format!("{package}.{test}");
            let answer = ask(&mut engine, &rule);
            tests.push(PolicyTest {
                name: plain(&rule),
                file: file.clone(),
                passed: matches!(answer, Ok(RegoValue::Bool(true))),
                error: answer.err().map(|error| error.to_string()),
            });
        }
    }
    Ok(tests)
}

/// The names of rules that begin a line with `test_`, each once.
fn test_names(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("test_")) {
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
        if !names.contains(&&line[..end]) {
            names.push(&line[..end]);
        }
    }
    names
}

fn ask(engine: &mut Engine, rule: &str) -> Result<RegoValue, PolicyError> {
    let failed = |error: &dyn std::fmt::Display| PolicyError::Evaluation {
        rule: plain(rule),
        problem: problem::last_line(&error.to_string()),
    };
    let results = engine.eval_query(rule.to_owned(), false).map_err(|error| failed(&error))?;
    let expression =
        results.result.into_iter().next().and_then(|result| result.expressions.into_iter().next());
    Ok(expression.map_or(RegoValue::Undefined, |expression| expression.value))
}

/// A package without `deny` (rules that others share) says nothing; anything but a set of texts is a mistake that
/// could hide a denial.
fn messages(rule: &str, answer: &RegoValue) -> Result<Vec<String>, PolicyError> {
    let wrong = || PolicyError::Answer { rule: plain(rule) };
    match answer {
        RegoValue::Undefined => Ok(Vec::new()),
        RegoValue::Set(set) => set
            .iter()
            .map(|message| message.as_string().map(|text| masking::masked(text)).map_err(|_| wrong()))
            .collect(),
        _ => Err(wrong()),
    }
}

/// The path as written in a policy, without Rego's own root.
fn plain(path: &str) -> String {
    path.strip_prefix("data.").unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests;
