//! Did you mean …?

/// The candidate that `wrong` most probably was meant to be.
///
/// A few typing errors away, by the Damerau-Levenshtein distance (a swap of neighbours counts as one); or, for a
/// key, the same name in another table; or a name that only goes on where the other ends.
pub(crate) fn closest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (wrong.chars().count() / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    let mut same_name = None;
    let mut same_start: Option<&str> = None;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(wrong, candidate);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
        if same_name.is_none() && last(candidate) == last(wrong) {
            same_name = Some(candidate);
        }
        let short = wrong.len().min(candidate.len());
        let starts_alike = short >= 3 && (wrong.starts_with(candidate) || candidate.starts_with(wrong));
        if starts_alike && same_start.is_none_or(|longest| candidate.len() > longest.len()) {
            same_start = Some(candidate);
        }
    }
    best.map(|(_, candidate)| candidate).or(same_name).or(same_start)
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn the_nearest_key_is_suggested_and_a_far_one_is_not() {
        let known = ["server.host", "server.port", "log.level", "log"];
        for (wrong, expected) in [
            ("server.prot", Some("server.port")),
            ("sevrer.port", Some("server.port")),
            ("server.level", Some("log.level")),
            ("port", Some("server.port")),
            ("lgo", Some("log")),
            ("logging", Some("log")),
            ("server.port_number", Some("server.port")),
            ("server.colour", None),
            ("", None),
        ] {
            assert_eq!(closest(wrong, known), expected, "{wrong}");
        }
    }
}
