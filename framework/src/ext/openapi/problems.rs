//! The problems that the framework itself answers with, for the description of each service.

/// A kind of problem: its slug, the status it comes with, and what it says.
pub(super) type Kind = (&'static str, u16, &'static str);

/// Every kind that the framework answers with by a name of its own. Any other status has the slug of its reason, such as
/// `not-found`.
pub(super) const PROBLEMS: &[Kind] = &[
    ("bad-request", 400, "The request can not be understood: its body is no JSON, its head is no HTTP."),
    ("invalid", 400, "An id or a parameter does not fit; `errors` names it."),
    ("invalid", 422, "The JSON does not fit; `errors` names the field."),
    ("unauthenticated", 401, "This needs a sign-in."),
    ("invalid-token", 401, "The access token is good for nothing (any more); `WWW-Authenticate`."),
    ("cross-origin", 403, "A page of another origin asks for a WebSocket."),
    ("cross-site-request", 403, "Another site made the browser ask for who is signed in here."),
    ("csrf-token", 403, "The form is not one of this session: load the page again."),
    ("not-found", 404, "There is no such thing, or no such path."),
    ("method-not-allowed", 405, "The path does not answer the method; `Allow` says which it does."),
    ("request-timeout", 408, "The head or the body took too long to arrive."),
    ("conflict", 409, "Not in the state that the thing is in."),
    ("idempotency-key-in-use", 409, "A request with this `Idempotency-Key` is still carried out."),
    ("precondition-failed", 412, "The thing is not the one that `If-Match` names; `ETag` says which it is."),
    ("payload-too-large", 413, "The body is larger than is read."),
    ("unsupported-media-type", 415, "The body is not `application/json`, or is compressed."),
    ("idempotency-key-reused", 422, "This `Idempotency-Key` stands for another body."),
    ("too-many-requests", 429, "Too many in too short a time; `Retry-After`."),
    ("internal", 500, "Our fault; the trace knows the cause."),
    ("database-unavailable", 503, "The database can not be reached at the moment; `Retry-After`."),
    ("overloaded", 503, "More requests than can be answered in time; `Retry-After`."),
    ("busy", 503, "Something that this needs is busy just now; `Retry-After`."),
    ("too-many-streams", 503, "Too many clients watch already; `Retry-After`."),
    ("timeout", 504, "There was no answer in time."),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use regex::Regex;

    use super::PROBLEMS;

    #[test]
    fn each_kind_of_problem_that_the_framework_names_is_described() {
        let named = Regex::new(r#"(?:Problem|Self)::new\(\s*StatusCode::([A-Z_]+),\s*"([a-z-]+)""#).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut directories = vec![source.join("web"), source.join("module"), source.join("ext")];
        let (mut found, mut missing) = (0, Vec::new());
        while let Some(directory) = directories.pop() {
            for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                for kind in named.captures_iter(&code.join("\n")) {
                    found += 1;
                    let listed = PROBLEMS.iter().any(|(slug, status, _)| {
                        let reason = actix_web::http::StatusCode::from_u16(*status).unwrap();
                        let name = reason.canonical_reason().unwrap().to_uppercase().replace([' ', '-'], "_");
                        *slug == &kind[2] && name == kind[1]
                    });
                    if !listed {
                        missing.push(format!("{}: {} {}", path.display(), &kind[1], &kind[2]));
                    }
                }
            }
        }
        assert!(found >= 6, "this test looks for the wrong words: {found}");
        assert_eq!(missing, [""; 0], "add them to PROBLEMS");
    }
}
