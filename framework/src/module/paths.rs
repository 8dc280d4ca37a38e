//! Which routes a path may be of.

/// The patterns of a service's routes by their segments, each with its place in an order in which the more special comes
/// first. However many there are, a path is compared with those that begin as it does.
///
/// It tells which patterns may fit; that one does, its expressions say.
#[derive(Debug, Default)]
pub(super) struct Paths {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// By the text of the next segment, sorted.
    fixed: Vec<(Box<str>, Self)>,
    /// Whatever the next segment is.
    any: Option<Box<Self>>,
    /// The patterns that end here.
    ends: Vec<usize>,
    /// Those that go on in a way that segments do not tell.
    open: Vec<usize>,
}

impl Paths {
    /// Adds a pattern, which has that place.
    pub(super) fn add(&mut self, pattern: &str, place: usize) {
        let mut node = &mut self.root;
        for segment in inside(pattern).into_iter().flat_map(|segments| segments.split('/')) {
            node = match segment.find('{') {
                None => node.fixed(segment),
                // An expression may fit a slash, and what stands behind it is its own then.
                Some(_) if segment.contains(':') || !segment.ends_with('}') => {
                    node.open.push(place);
                    return;
                }
                Some(_) => node.any.get_or_insert_default(),
            };
        }
        node.ends.push(place);
    }

    /// The first place behind `after` whose pattern may fit a path, or the first of all.
    pub(super) fn next(&self, path: &str, after: Option<usize>) -> Option<usize> {
        self.root.next(inside(path), after)
    }
}

/// The segments of a path with the slashes between them, if it has any. A slash at the end is of no account.
fn inside(path: &str) -> Option<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    (!path.is_empty()).then_some(path)
}

/// The first segment, and those behind it.
fn first(segments: &str) -> (&str, Option<&str>) {
    match segments.bytes().position(|byte| byte == b'/') {
        Some(at) => (&segments[..at], Some(&segments[at + 1..])),
        None => (segments, None),
    }
}

impl Node {
    fn fixed(&mut self, segment: &str) -> &mut Self {
        let at = match self.fixed.binary_search_by(|(text, _)| (**text).cmp(segment)) {
            Ok(at) => at,
            Err(at) => {
                self.fixed.insert(at, (segment.into(), Self::default()));
                at
            }
        };
        &mut self.fixed[at].1
    }

    fn next(&self, segments: Option<&str>, after: Option<usize>) -> Option<usize> {
        let behind =
            |places: &[usize]| places.iter().copied().find(|place| after.is_none_or(|after| *place > after));
        let open = behind(&self.open);
        let Some(segments) = segments else { return earlier(behind(&self.ends), open) };
        let (segment, rest) = first(segments);
        let fixed = self.fixed.binary_search_by(|(text, _)| (**text).cmp(segment)).ok();
        let fixed = fixed.and_then(|at| self.fixed[at].1.next(rest, after));
        let any = self.any.as_ref().and_then(|any| any.next(rest, after));
        earlier(earlier(fixed, any), open)
    }
}

fn earlier(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting(patterns: &[&str], path: &str) -> Vec<usize> {
        let mut paths = Paths::default();
        patterns.iter().enumerate().for_each(|(place, pattern)| paths.add(pattern, place));
        std::iter::successors(paths.next(path, None), |after| paths.next(path, Some(*after))).collect()
    }

    #[test]
    fn what_may_fit_comes_in_its_order() {
        let patterns =
            ["/", "/a", "/a/{x}", "/a/b", "/{y}/b", "/{tail:.*}", "/a/{x}.json", "/{n}*", "/a/{x}"];
        for (path, expected) in [
            ("/", &[0, 5, 7][..]),
            ("", &[0, 5, 7]),
            ("/a", &[1, 5, 6, 7]),
            ("/a/", &[1, 5, 6, 7]),
            ("/a/b", &[2, 3, 4, 5, 6, 7, 8]),
            ("/a/c", &[2, 5, 6, 7, 8]),
            ("/z/b/", &[4, 5, 7]),
            ("/a/b/c", &[5, 6, 7]),
            ("//", &[0, 5, 7]),
            ("/a//", &[2, 5, 6, 7, 8]),
            ("*", &[5, 7]),
        ] {
            assert_eq!(fitting(&patterns, path), expected, "{path}");
        }
        assert!(fitting(&[], "/a").is_empty());
    }

    /// Nothing is lost by looking at segments only: what the router of actix takes is among what may fit.
    #[test]
    fn no_pattern_that_fits_is_missed() {
        use actix_web::dev::ResourceDef;
        let patterns = [
            "/",
            "/a",
            "/a/",
            "/{x}",
            "/{x}/",
            "/a/{x}",
            "/a-{x}",
            "/{x}-a/b",
            "/{x:[a/]+}/b",
            "/{x}/{y}",
            "/{x:.*}",
            "/a/{x}*",
        ];
        let definitions = patterns.map(ResourceDef::new);
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let path: String = (0..random.usize(..7))
                .map(|_| random.choice(['/', '/', 'a', 'b', '-']).unwrap_or('/'))
                .collect();
            let path = format!("/{path}");
            let fitting = fitting(&patterns, &path);
            for (place, definition) in definitions.iter().enumerate().filter(|(_, it)| it.is_match(&path)) {
                assert!(fitting.contains(&place), "{:?} {path}", definition.pattern());
            }
        }
    }
}
