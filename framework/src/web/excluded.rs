/// Paths that are served without a span.
pub(super) struct Excluded(Vec<Pattern>);

/// What a path is compared with, cut up at the `*`s once, at the start.
enum Pattern {
    Exact(String),
    /// What stands before the first `*`, between each two, and behind the last.
    Pieces(String, Vec<String>, String),
}

impl Excluded {
    pub(super) fn new(patterns: &[String]) -> Self {
        Self(patterns.iter().map(|pattern| Pattern::new(pattern)).collect())
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(path))
    }
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        let mut pieces = pattern.split('*').map(str::to_owned);
        let first = pieces.next().unwrap_or_default();
        let mut between: Vec<String> = pieces.collect();
        match between.pop() {
            Some(last) => Self::Pieces(first, between, last),
            None => Self::Exact(first),
        }
    }

    /// Each piece is taken where it first occurs, and what is behind it is all that is left for the others: no byte of
    /// the path is looked at for one piece after it was taken by another.
    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Pieces(first, between, last) => {
                let rest =
                    path.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()));
                let mut rest = rest;
                for piece in between {
                    rest = rest.and_then(|rest| Some(&rest[rest.find(piece.as_str())? + piece.len()..]));
                }
                rest.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_wherever_it_is() {
        for (pattern, right, wrong) in [
            ("/health", &["/health"][..], &["/health/", "/healthy", "/a/health", ""][..]),
            ("/health/*", &["/health/", "/health/ready"], &["/health", "/healthy"]),
            ("*.js", &["/app.js", ".js"], &["/app.jsx", "/js"]),
            ("/static/*.css", &["/static/a.css", "/static/a/b.css"], &["/static/css", "/static.css"]),
            ("/a*b*c", &["/abc", "/axbxxc", "/abbcc"], &["/acb", "/ab", "/bc"]),
            ("/aba*aba", &["/abaaba", "/ababaaba"], &["/aba", "/ababa"]),
            ("*", &["", "/", "/anything"], &[]),
        ] {
            let excluded = Excluded::new(&[pattern.to_owned()]);
            right.iter().for_each(|path| assert!(excluded.matches(path), "{pattern} {path}"));
            wrong.iter().for_each(|path| assert!(!excluded.matches(path), "{pattern} {path}"));
        }
    }
}
