//! The syntax of paths: what the router makes of them, and what it would refuse only when it is too late.

use std::panic::catch_unwind;

use actix_web::dev::ResourceDef;

/// As many parameters as the router keeps of one path.
const MAX_PARAMETERS: usize = 16;

/// What makes two patterns the same to the router: the names of parameters and a slash at the end do not count.
pub(super) fn comparable(pattern: &str) -> String {
    let segments = pattern.split('/').filter(|segment| !segment.is_empty());
    segments
        .map(|segment| match (segment.find('{'), segment.contains(':')) {
            (Some(start), false) => format!("{}{{}}", &segment[..start]),
            _ => segment.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

/// Sorts fixed segments before parameters, and those before tails.
pub(super) fn specificity(pattern: &str) -> Vec<u8> {
    pattern
        .split('/')
        .map(|segment| match segment {
            segment if is_tail(segment) => 2,
            segment if segment.contains('{') => 1,
            _ => 0,
        })
        .collect()
}

/// Both forms of a pattern, so that clients may leave the slash at its end out or put one there.
pub(super) fn with_and_without_slash(pattern: &str) -> Vec<String> {
    let without = pattern.trim_end_matches('/');
    if without.is_empty() || is_tail(pattern) {
        return vec![pattern.to_owned()];
    }
    vec![without.to_owned(), format!("{without}/")]
}

/// `{path:.*}` and `{path}*`, which take all that is left.
fn is_tail(pattern: &str) -> bool {
    pattern.ends_with(":.*}") || pattern.ends_with("}*")
}

/// What is wrong with a path, if anything.
pub(super) fn check(path: &str) -> Result<(), String> {
    if !path.is_empty() && !path.starts_with('/') {
        return Err("must start with `/`".to_owned());
    }
    if path.contains("//") {
        return Err("has an empty segment (`//`)".to_owned());
    }
    if path.matches('{').count() != path.matches('}').count() {
        return Err("has a brace that is not closed".to_owned());
    }
    let mut names: Vec<&str> =
        path.split('{').skip(1).filter_map(|part| part.split([':', '}']).next()).collect();
    if names.len() > MAX_PARAMETERS {
        return Err(format!("has more than {MAX_PARAMETERS} parameters"));
    }
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("names two of its parameters alike".to_owned());
    }
    // What is left is in the router's hands, and it panics on an expression that it can not read.
    let pattern = path.to_owned();
    match catch_unwind(move || ResourceDef::new(pattern)) {
        Ok(_) => Ok(()),
        Err(_) => Err("holds an expression that is none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The router takes a path that is itself a pattern without a look at the others.
    #[test]
    fn a_pattern_without_parameters_goes_before_all_that_fit_its_path() {
        let patterns = [
            "/{x:.*}",
            "/{x}/{y}/{z}",
            "/{x}/b",
            "/{x}",
            "/a/{x:[a-c/]+}",
            "/a/{x:b/c}",
            "/a/{x}*",
            "/a/b{x:.*}",
            "/a/{x}",
            "/a{x:.*}",
            "/a/b/c",
            "/a/b",
            "/a",
            "/",
        ];
        for path in &patterns[10..] {
            let fitting = patterns.iter().filter(|pattern| ResourceDef::new(**pattern).is_match(path));
            assert!(fitting.clone().count() > 1, "{path}");
            assert_eq!(fitting.min_by_key(|pattern| specificity(pattern)), Some(path));
        }
    }
}
