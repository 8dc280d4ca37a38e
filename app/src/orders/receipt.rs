//! `GET /orders/{id}/receipt`: what was ordered and what it comes to, as a page to print.

use actix_web::web::{Data, Path};
use serde::Serialize;
use spanbox::data::{Conn, Db};
use spanbox::ext::templates::{Html, Templates};
use spanbox::web::Problem;

use super::error::OrderError;
use super::model::{Order, Whole};
use super::store;
use crate::accounts::Caller;
use crate::money::Amount;

/// The template, in `app/templates/`.
pub(crate) const TEMPLATE: (&str, &str) = ("receipt.html", include_str!("../../templates/receipt.html"));

#[derive(Serialize)]
struct Receipt {
    order: Order,
    lines: Vec<ReceiptLine>,
}

#[derive(Serialize)]
struct ReceiptLine {
    product: String,
    quantity: u32,
    unit_price: Amount,
    /// None where it is more than an amount can be, which no stored order has.
    amount: Option<Amount>,
}

/// What was ordered and what it comes to, as a page to print.
#[utoipa::path(
    get,
    path = "/orders/{id}/receipt",
    tag = "pages",
    params(("id" = i64, Path, minimum = 1)),
    security((), ("bearer" = [])),
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub(super) async fn receipt(
    db: Db,
    caller: Caller,
    id: Path<i64>,
    templates: Data<Templates>,
) -> Result<Html, Problem> {
    let id = id.into_inner();
    let whole = db
        .read(async move |conn: &mut Conn| {
            let order = store::find_for(conn, caller, id).await?;
            Ok::<_, OrderError>(store::whole(conn, order).await?)
        })
        .await?;
    Ok(templates.render(TEMPLATE.0, Receipt::of(whole))?)
}

impl Receipt {
    fn of(Whole { order, lines }: Whole) -> Self {
        let one = |product, quantity, unit_price: Amount| ReceiptLine {
            product,
            quantity,
            unit_price,
            amount: unit_price.times(quantity),
        };
        let lines = if lines.is_empty() {
            vec![one(order.product_name.clone(), 1, order.amount())]
        } else {
            lines
                .into_iter()
                .map(|line| {
                    let (quantity, price) = (line.quantity(), line.unit_price(order.currency));
                    one(line.product, quantity, price)
                })
                .collect()
        };
        Self { order, lines }
    }
}
