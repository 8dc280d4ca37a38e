//! `GET /api/orders/export.csv`.

use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use spanbox::data::{Db, DbError};
use spanbox::web::stream::Download;
use spanbox::web::{Problem, Query};
use utoipa::IntoParams;

use super::model::Order;
use super::status::Status;
use super::store;
use crate::accounts::{Caller, Scope};
use spanbox::web::Cursor;

/// So many orders are read, and written, at once.
const PAGE: i64 = 500;

const HEAD: [&str; 9] = [
    "id",
    "product_name",
    "amount",
    "currency",
    "payment_method",
    "status",
    "version",
    "created_at",
    "updated_at",
];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    #[param(value_type = Status, required = false)]
    status: Option<Status>,
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error("an order could not be written as CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("a page of CSV could not be ended: {0}")]
    Buffer(String),
}

/// How far an export is.
struct Export {
    db: Db,
    scope: Scope,
    status: Option<Status>,
    place: Place,
}

enum Place {
    Head,
    /// Behind these orders, newest first.
    After(Option<Cursor>),
    End,
}

/// All orders that the caller sees, or those of a status, newest first, as CSV (RFC 4180). A page of them is in memory at a time.
#[utoipa::path(
    get,
    path = "/api/orders/export.csv",
    tag = "orders",
    params(ExportQuery),
    security((), ("bearer" = [])),
    responses((status = 200, description = "The orders; without its end where the export broke off.", body = String, content_type = "text/csv"))
)]
pub(super) async fn export(
    db: Db,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<Download, Problem> {
    let export = Export { db, scope: caller.scope(), status: query.status, place: Place::Head };
    let pieces = stream::unfold(export, |mut export| async move {
        let piece = export.next().await.transpose()?;
        if piece.is_err() {
            export.place = Place::End;
        }
        Some((piece, export))
    });
    Ok(Download::new("text/csv; charset=utf-8", "orders.csv", pieces))
}

impl Export {
    async fn next(&mut self) -> Result<Option<Bytes>, ExportError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let after = match self.place {
            Place::Head => {
                writer.write_record(HEAD)?;
                self.place = Place::After(None);
                return Ok(Some(ended(writer)?));
            }
            Place::After(after) => after,
            Place::End => return Ok(None),
        };
        let (scope, status) = (self.scope, self.status);
        let page =
            self.db.read(async move |conn| store::page(conn, scope, status, after, PAGE).await).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.place = if page.len() as i64 == PAGE { Place::After(Some(Cursor(last.id))) } else { Place::End };
        for order in &page {
            writer.write_record(record(order))?;
        }
        Ok(Some(ended(writer)?))
    }
}

/// What was written.
fn ended(writer: csv::Writer<Vec<u8>>) -> Result<Bytes, ExportError> {
    writer.into_inner().map(Bytes::from).map_err(|error| ExportError::Buffer(error.to_string()))
}

fn record(order: &Order) -> [String; 9] {
    [
        order.id.to_string(),
        harmless(&order.product_name),
        order.amount().to_string(),
        order.currency.to_string(),
        order.payment_method.as_str().to_owned(),
        order.status.as_str().to_owned(),
        order.version.to_string(),
        order.created_at.and_utc().to_rfc3339(),
        order.updated_at.and_utc().to_rfc3339(),
    ]
}

/// A text that no spreadsheet takes for a formula: one that begins like one gets an apostrophe in front (OWASP, CSV
/// injection). So does one that begins with spaces before that, which some programs take off.
fn harmless(text: &str) -> String {
    let first = text.trim_start().chars().next();
    if first.is_some_and(|first| matches!(first, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for formula in ["=1+1", "+1", "-2+3", "@SUM(A1)", " =cmd|'/c calc'!A0", "＝1"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        for plain in ["Widget", "a=b", "7-up", "", "'=1"] {
            assert_eq!(harmless(plain), plain);
        }
    }
}
