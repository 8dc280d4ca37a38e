//! How the headers of [`Conditions`](crate::web::Conditions) look in the description of an interface.

use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};

/// The header `If-Match` of an operation that takes [`Conditions`](crate::web::Conditions): `params(IfMatch)` in its
/// `#[utoipa::path]`.
#[derive(Debug)]
#[non_exhaustive]
pub struct IfMatch;

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![tags(
            "If-Match",
            "`*`, or the `ETag` that it has to have: 412 if it has another. Without this header it is as good as any.",
        )]
    }
}

/// The header `If-None-Match` of an operation that takes [`Conditions`](crate::web::Conditions): `params(IfNoneMatch)` in
/// its `#[utoipa::path]`.
#[derive(Debug)]
#[non_exhaustive]
pub struct IfNoneMatch;

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![tags("If-None-Match", "The `ETag` of what the client has: 304 if it still has it.")]
    }
}

/// A header of entity tags. In two schemas, since programs that make up requests from a description find no value for one
/// pattern of both, and send what is neither.
fn tags(name: &str, description: &str) -> Parameter {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let list =
        text().pattern(Some(r#"^(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*$"#)).examples(["\"7-3\""]);
    let schema = OneOfBuilder::new().item(text().enum_values(Some(["*"]))).item(list);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
