//! How what clients send of accounts looks in the description of the interface.

use serde::Deserialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::input::{Email, MAX_EMAIL, MAX_PASSWORD, MIN_PASSWORD, NewPassword, Password};

/// Visible ASCII without what would have to be quoted, `@`, and a domain of two labels or more.
const EMAIL: &str = r"^[!#-'*+\-./0-9=?A-Z^-~]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$";

/// No control characters.
const PASSWORD: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

impl PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        text("An e-mail address, in ASCII.", EMAIL, 3, MAX_EMAIL).examples(["ann@example.com"]).into()
    }
}

impl ToSchema for Email {}

impl PartialSchema for Password {
    fn schema() -> RefOr<Schema> {
        text("The password.", PASSWORD, 0, MAX_PASSWORD).into()
    }
}

impl ToSchema for Password {}

impl PartialSchema for NewPassword {
    fn schema() -> RefOr<Schema> {
        text("A password, which must not be the e-mail address.", PASSWORD, MIN_PASSWORD, MAX_PASSWORD)
            .examples(["correct horse battery"])
            .into()
    }
}

impl ToSchema for NewPassword {}

/// The fields of the form to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only described: the token is taken out before the rest is read")]
pub(super) struct SignInForm {
    /// As it is in the page.
    csrf_token: String,
    email: Email,
    password: Password,
}

/// The fields of the form to sign out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only described: the token is taken out before the rest is read")]
pub(super) struct SignOutForm {
    /// As it is in the page.
    csrf_token: String,
}

fn text(description: &str, pattern: &str, shortest: usize, longest: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .pattern(Some(pattern))
        .min_length(Some(shortest))
        .max_length(Some(longest))
}
