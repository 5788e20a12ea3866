use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn entry_head(kind: u8, mut size: u64) -> Vec<u8> {
    let mut head = vec![(kind << 4) | (size & 15) as u8];
    size >>= 4;
    while size > 0 {
        *head.last_mut().unwrap() |= 0x80;
        head.push((size & 0x7f) as u8);
        size >>= 7;
    }
    head
}

fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![(value & 0x7f) as u8];
    value >>= 7;
    while value > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push((value & 0x7f) as u8);
        value >>= 7;
    }
    bytes
}

fn back_offset(mut back: u64) -> Vec<u8> {
    let mut bytes = vec![(back & 0x7f) as u8];
    back >>= 7;
    while back > 0 {
        back -= 1;
        bytes.insert(0, 0x80 | (back & 0x7f) as u8);
        back >>= 7;
    }
    bytes
}

fn pack(count: u32, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"PACK\0\0\0\x02".to_vec();
    bytes.extend(count.to_be_bytes());
    bytes.extend(entries.concat());
    bytes.extend([0; 20]);
    bytes
}

fn blob(content: &[u8]) -> Vec<u8> {
    [entry_head(3, content.len() as u64), deflated(content)].concat()
}

fn delta(back: u64, base: u64, result: u64) -> Vec<u8> {
    let content = [number(base), number(result), vec![1, b'x']].concat();
    [entry_head(6, content.len() as u64), back_offset(back), deflated(&content)].concat()
}

fn small() -> Limits {
    Limits {
        pack_objects: 5000,
        object_bytes: 1000,
        expanded_bytes: 5000,
        pack_bytes: 1_000_000,
        ..Limits::default()
    }
}

fn pass(bytes: &[u8], step: usize) -> Result<(), FetchError> {
    let mut gate = PackGate::new(&small());
    for piece in bytes.chunks(step) {
        gate.pass(piece)?;
    }
    gate.finish()
}

fn limit(bytes: &[u8]) -> Option<Limit> {
    match pass(bytes, 64) {
        Err(FetchError::TooLarge { limit }) => Some(limit),
        Ok(()) | Err(_) => None,
    }
}

#[test]
fn a_plain_pack_passes_however_it_is_cut() {
    let first = blob(&[b'a'; 900]);
    let bytes = pack(3, &[first.clone(), delta(first.len() as u64, 900, 901), blob(b"")]);
    for step in [1, 2, 7, 64, 100_000] {
        pass(&bytes, step).unwrap();
    }
    pass(&pack(0, &[]), 3).unwrap();
}

#[test]
fn an_object_that_inflates_beyond_the_limit_is_refused() {
    assert_eq!(limit(&pack(1, &[blob(&[0; 1001])])), Some(Limit::ObjectBytes(1000)));
    // One that says it is small, and is not.
    let lie = [entry_head(3, 10), deflated(&[0; 100_000])].concat();
    assert!(matches!(pass(&pack(1, &[lie]), 64), Err(FetchError::Pack { .. })));
    // Fifty gigabytes of nothing, announced.
    assert_eq!(limit(&pack(1, &[entry_head(3, 50 << 30)])), Some(Limit::ObjectBytes(1000)));
}

#[test]
fn a_delta_whose_result_is_beyond_the_limit_is_refused() {
    let first = blob(b"base");
    let bytes = pack(2, &[first.clone(), delta(first.len() as u64, 4, 4 << 30)]);
    assert_eq!(limit(&bytes), Some(Limit::ObjectBytes(1000)));
}

#[test]
fn all_objects_together_are_bounded() {
    let entries: Vec<Vec<u8>> = (0..6).map(|_| blob(&[0; 999])).collect();
    assert_eq!(limit(&pack(6, &entries)), Some(Limit::ExpandedBytes(5000)));
    assert_eq!(limit(&pack(1_000_000, &[])), Some(Limit::PackObjects(5000)));
}

#[test]
fn a_chain_of_deltas_is_bounded() {
    let mut entries = vec![blob(b"")];
    for _ in 0..4200 {
        let back = entries.last().map_or(0, Vec::len) as u64;
        entries.push(delta(back, 0, 0));
    }
    let limits = Limits { expanded_bytes: u64::MAX, ..small() };
    let mut gate = PackGate::new(&limits);
    let error = gate.pass(&pack(4201, &entries)).unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: Limit::DeltaDepth(4095) }), "{error}");
}

#[test]
fn what_is_no_pack_is_refused() {
    let first = blob(b"base");
    let cases = [
        b"PACX\0\0\0\x02\0\0\0\0".to_vec(),
        b"PACK\0\0\0\x09\0\0\0\0".to_vec(),
        pack(1, &[[entry_head(5, 1), deflated(b"x")].concat()]),
        pack(1, &[[entry_head(3, 2), deflated(b"x")].concat()]),
        pack(1, &[[entry_head(3, 1), b"not deflated".to_vec()].concat()]),
        pack(1, &[delta(1, 0, 0)]),
        pack(2, &[first.clone(), delta(first.len() as u64 - 1, 0, 0)]),
        pack(1, &[vec![0xff; 30]]),
        [pack(0, &[]), b"more".to_vec()].concat(),
        b"PACK\0\0".to_vec(),
        Vec::new(),
    ];
    for bytes in cases {
        assert!(matches!(pass(&bytes, 5), Err(FetchError::Pack { .. })), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_pass_by_chance_or_hang(bytes in proptest::collection::vec(any::<u8>(), 0..400), step in 1..50_usize) {
        drop(pass(&pack(3, std::slice::from_ref(&bytes)), step));
        prop_assert!(pass(&bytes, step).is_err());
    }

    #[test]
    fn a_damaged_pack_never_hangs(position in 0..200_usize, value in any::<u8>()) {
        let first = blob(b"some content of a file");
        let mut bytes = pack(2, &[first.clone(), delta(first.len() as u64, 22, 30)]);
        let position = position % bytes.len();
        bytes[position] = value;
        drop(pass(&bytes, 3));
    }
}
