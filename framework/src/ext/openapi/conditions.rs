//! How the headers of [`Conditions`](crate::web::Conditions) look in the description of an interface.

use utoipa::IntoParams;

/// The header `If-Match` of an operation that takes [`Conditions`](crate::web::Conditions): `params(IfMatch)` in its
/// `#[utoipa::path]`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described: `Conditions` is what is read")]
pub struct IfMatch {
    /// `*`, or the `ETag` that it has to have: 412 if it has another. Without this header it is as good as any.
    #[param(
        rename = "If-Match",
        value_type = String,
        required = false,
        min_length = 1,
        pattern = r#"^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#
    )]
    if_match: Option<String>,
}

/// The header `If-None-Match` of an operation that takes [`Conditions`](crate::web::Conditions): `params(IfNoneMatch)` in
/// its `#[utoipa::path]`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described: `Conditions` is what is read")]
pub struct IfNoneMatch {
    /// The `ETag` of what the client has: 304 if it still has it.
    #[param(
        rename = "If-None-Match",
        value_type = String,
        required = false,
        min_length = 1,
        pattern = r#"^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#
    )]
    if_none_match: Option<String>,
}
