//! How what clients send of orders looks in the description of the interface, where that says more than the types which
//! read it.

use serde::Deserialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{IntoParams, ToSchema};

use super::draft::{LineDraft, MAX_NAME};
use super::payment_method::PaymentMethod;
use crate::money::{Currency, Decimal};

/// An order: one product with its amount, or lines, whose total is reckoned from them.
#[derive(Deserialize, ToSchema)]
#[schema(as = OrderDraft)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described: `OrderDraft` is what is read")]
pub(super) enum Draft {
    Product(ProductDraft),
    Lines(LinesDraft),
}

/// An order of one product.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only described")]
pub(super) struct ProductDraft {
    #[schema(schema_with = product_name)]
    product_name: String,
    amount: Decimal,
    currency: Option<Currency>,
    payment_method: Option<PaymentMethod>,
    #[schema(schema_with = null)]
    lines: Option<()>,
}

/// An order of lines.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only described")]
pub(super) struct LinesDraft {
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<LineDraft>,
    currency: Option<Currency>,
    payment_method: Option<PaymentMethod>,
    #[schema(schema_with = null)]
    product_name: Option<()>,
    #[schema(schema_with = null)]
    amount: Option<()>,
}

/// What is to change; `null` takes a field back to where it was not sent. What comes of it is checked as a whole.
#[derive(Deserialize, ToSchema)]
#[schema(as = OrderPatch)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only described: `OrderPatch` is what is read")]
pub(super) struct Patch {
    #[schema(schema_with = product_name_or_null)]
    product_name: Option<String>,
    amount: Option<Decimal>,
    currency: Option<Currency>,
    payment_method: Option<PaymentMethod>,
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<LineDraft>>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
pub(super) struct IdempotencyKey {
    /// Sent again with the same key, an order is placed once. In double quotes or without.
    #[param(
        rename = "Idempotency-Key",
        value_type = String,
        required = false,
        min_length = 1,
        pattern = r#"^("([!#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--:<-\[\]-~]{1,255})$"#
    )]
    idempotency_key: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
pub(super) struct LastSeen {
    /// The `id` of the last event that the client has; empty is none.
    #[param(rename = "Last-Event-ID", value_type = String, required = false, pattern = "^[0-9]{0,18}$")]
    last_event_id: Option<String>,
}

/// An event of a stream, by its fields.
#[derive(ToSchema)]
#[schema(as = OrderEvent)]
#[expect(dead_code, reason = "only described")]
pub(super) struct StreamEvent {
    /// JSON: the `id`, `status` and `version` of the order.
    data: String,
    event: EventKind,
    /// The version of the order, to be given back as `Last-Event-ID`.
    #[schema(pattern = "^[0-9]+$")]
    id: String,
}

/// Whether the order has another status, or is gone.
#[derive(ToSchema)]
#[schema(as = OrderEventKind, rename_all = "lowercase")]
#[expect(dead_code, reason = "only described")]
enum EventKind {
    Status,
    Deleted,
}

/// No control characters, and one that is not blank.
const NAME: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";

pub(super) fn product_name() -> RefOr<Schema> {
    name(Type::String.into())
}

fn product_name_or_null() -> RefOr<Schema> {
    name(SchemaType::from_iter([Type::String, Type::Null]))
}

fn name(schema_type: SchemaType) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(schema_type)
        .min_length(Some(1))
        .max_length(Some(MAX_NAME))
        .pattern(Some(NAME))
        .examples(["Widget"])
        .into()
}

fn null() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Null).into()
}
