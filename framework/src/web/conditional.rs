//! Requests on a condition: entity tags, `If-Match` and `If-None-Match` (RFC 9110, section 13).

use std::fmt;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};

use super::Problem;

/// The version of a resource, as a strong entity tag: two answers with one tag are the same, byte for byte.
///
/// ```
/// use spanbox::web::ETag;
///
/// let tag = ETag::new(format_args!("{}-{}", 7, 3));
/// assert_eq!(tag.to_string(), "\"7-3\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of a text, of visible ASCII characters without `"`; others become `_`.
    #[must_use]
    pub fn new(text: impl fmt::Display) -> Self {
        let visible = |c: char| if matches!(c, '\x21' | '\x23'..='\x7e') { c } else { '_' };
        Self(text.to_string().chars().map(visible).collect())
    }

    /// As the value of the header `ETag`.
    #[must_use]
    pub fn to_header(&self) -> HeaderValue {
        // Of such characters every text is a value.
        HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// On what condition a request is to be answered: its `If-Match` and `If-None-Match`. A header that can not be read is
/// 400: a client that asks for a condition must not be answered without it.
///
/// ```
/// use actix_web::HttpResponse;
/// use actix_web::http::header::ETAG;
/// use spanbox::web::{Conditions, ETag, Problem};
///
/// async fn show(conditions: Conditions) -> Result<HttpResponse, Problem> {
///     let tag = ETag::new(3);
///     conditions.check(&tag)?;
///     let mut answer =
///         if conditions.is_known(&tag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
///     Ok(answer.insert_header((ETAG, tag.to_header())).finish())
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    matches: Option<Tags>,
    none_match: Option<Tags>,
}

/// The resource is not as the request wants it: 412, with the `ETag` that it has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has changed: its entity tag is {current} now")]
pub struct PreconditionFailed {
    /// The tag that it has.
    pub current: ETag,
}

impl From<PreconditionFailed> for Problem {
    fn from(failed: PreconditionFailed) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed")
            .detail(format!("{failed}; read it again, and send that tag as If-Match"))
            .header(actix_web::http::header::ETAG, failed.current.to_header())
    }
}

impl Conditions {
    /// Whether a resource is as `If-Match` wants it, which compares strongly. Without that header, it is. For what
    /// changes it, ask inside the transaction that does, with the row locked.
    ///
    /// # Errors
    ///
    /// [`PreconditionFailed`], which is a 412.
    pub fn check(&self, current: &ETag) -> Result<(), PreconditionFailed> {
        match &self.matches {
            Some(tags) if !tags.hold(current, Comparison::Strong) => {
                Err(PreconditionFailed { current: current.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether `If-None-Match` names the tag, which compares weakly: then the answer to a GET is 304 with the tag and
    /// nothing else.
    #[must_use]
    pub fn is_known(&self, current: &ETag) -> bool {
        self.none_match.as_ref().is_some_and(|tags| tags.hold(current, Comparison::Weak))
    }

    /// Whether the request has an `If-Match`.
    #[must_use]
    pub const fn is_guarded(&self) -> bool {
        self.matches.is_some()
    }
}

impl FromRequest for Conditions {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let read =
            || Ok(Self { matches: tags(request, IF_MATCH)?, none_match: tags(request, IF_NONE_MATCH)? });
        ready(read())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// `*`, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    List(Vec<Tag>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    weak: bool,
    text: String,
}

impl Tags {
    fn hold(&self, current: &ETag, comparison: Comparison) -> bool {
        match self {
            Self::Any => true,
            Self::List(tags) => {
                let comparable = |tag: &&Tag| comparison == Comparison::Weak || !tag.weak;
                tags.iter().filter(comparable).any(|tag| tag.text == current.0)
            }
        }
    }

    /// `*`, or entity tags with commas between them; empty places between commas are allowed.
    fn parse(text: &str) -> Option<Self> {
        if text.trim_matches([' ', '\t']) == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = text;
        let mut separated = true;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            if rest.is_empty() {
                return (!tags.is_empty()).then_some(Self::List(tags));
            }
            if let Some(behind) = rest.strip_prefix(',') {
                (rest, separated) = (behind, true);
                continue;
            }
            if !separated {
                return None;
            }
            let weak = rest.starts_with("W/");
            let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
            let (tag, behind) = quoted.split_once('"')?;
            let visible = |byte: u8| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..);
            if !tag.bytes().all(visible) {
                return None;
            }
            tags.push(Tag { weak, text: tag.to_owned() });
            (rest, separated) = (behind, false);
        }
    }
}

/// A header that is there, all its lines as one list.
fn tags(request: &HttpRequest, name: HeaderName) -> Result<Option<Tags>, Problem> {
    let mut lines = request.headers().get_all(&name).peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let text = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect::<Vec<_>>();
    match Tags::parse(&text.join(",")) {
        Some(tags) => Ok(Some(tags)),
        None => Err(Problem::bad_request(format!(
            "the header {name} can not be read: expected * or entity tags as the ETag of an answer has them, e.g. \
             \"7-3\", with commas between them"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn conditions(headers: &[(&'static str, &str)]) -> Result<Conditions, Problem> {
        let mut request = TestRequest::default();
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        Conditions::from_request(&request.to_http_request(), &mut Payload::None).into_inner()
    }

    #[test]
    fn if_match_compares_strongly_with_any_of_a_list() {
        let tag = ETag::new("7-3");
        for (value, holds) in [
            ("*", true),
            (r#""7-3""#, true),
            (r#""7-2", "7-3""#, true),
            (r#" ,, "a,b" ,"7-3","#, true),
            (r#"W/"7-3""#, false),
            (r#""7-2""#, false),
            (r#""7-3 ""#, false),
        ] {
            match conditions(&[("if-match", value)]) {
                Ok(read) => assert_eq!(read.check(&tag).is_ok(), holds, "{value}"),
                Err(problem) => assert!(!holds && problem.status() == 400, "{value}: {problem}"),
            }
        }
        assert!(conditions(&[("if-match", r#""1""#), ("if-match", r#""7-3""#)]).unwrap().check(&tag).is_ok());
        assert!(conditions(&[]).unwrap().check(&tag).is_ok());
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let tag = ETag::new("7-3");
        for (value, known) in
            [("*", true), (r#""7-3""#, true), (r#"W/"7-3""#, true), (r#""7-2", W/"7-1""#, false)]
        {
            assert_eq!(conditions(&[("if-none-match", value)]).unwrap().is_known(&tag), known, "{value}");
        }
        assert!(!conditions(&[]).unwrap().is_known(&tag));
    }

    #[test]
    fn what_can_not_be_read_is_refused_and_never_passed_over() {
        for value in ["7-3", "\"7-3", "", ",", "*, \"7-3\"", "\"a\" \"b\"", "w/\"7-3\"", "\"a\"b", "'7-3'"] {
            for name in ["if-match", "if-none-match"] {
                let problem = conditions(&[(name, value)]).unwrap_err();
                assert_eq!(problem.status(), 400, "{name}: {value}");
            }
        }
    }

    #[test]
    fn a_tag_is_a_value_of_a_header_whatever_it_is_made_of() {
        assert_eq!(ETag::new("a\"b\r\n é").to_header(), "\"a_b____\"");
    }
}
