use std::time::Duration;

/// How large a test is: what `DURABILITY_<name>` says, else `full` where `DURABILITY=full`, else `usual`.
pub(crate) fn size(name: &str, usual: usize, full: usize) -> usize {
    let variable = format!("DURABILITY_{name}");
    match std::env::var(&variable) {
        Ok(size) => size.parse().unwrap_or_else(|error| panic!("{variable}={size:?}: {error}")),
        Err(_) if is_full() => full,
        Err(_) => usual,
    }
}

/// Nothing that is waited for takes longer.
pub(crate) fn patience() -> Duration {
    Duration::from_secs(if is_full() { 3600 } else { 60 })
}

/// Whether the sizes are those which are claimed, with the machine to themselves.
pub(crate) fn is_full() -> bool {
    std::env::var("DURABILITY").is_ok_and(|size| size == "full")
}

/// The n-th of a hundred parts, so that 99 is the 99th percentile; zero of nothing.
pub(crate) fn percentile(of: &mut [i64], n: usize) -> i64 {
    of.sort_unstable();
    let place = (of.len() * n).div_ceil(100).saturating_sub(1);
    of.get(place).copied().unwrap_or_default()
}

#[test]
fn a_percentile_is_one_of_the_values() {
    assert_eq!(percentile(&mut [], 99), 0);
    assert_eq!(percentile(&mut [3, 1, 2], 99), 3);
    let mut all: Vec<i64> = (1..=200).rev().collect();
    assert_eq!((percentile(&mut all, 50), percentile(&mut all, 99)), (100, 198));
}
