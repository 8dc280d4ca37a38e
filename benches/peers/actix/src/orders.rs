//! An order service as actix-web's own documents write one: diesel, a pool of r2d2, each query in `web::block`. An order is
//! stored with the job that would process it, in one transaction.

use actix_web::error::{BlockingError, ErrorInternalServerError, ErrorNotFound, ErrorUnprocessableEntity};
use actix_web::{HttpResponse, Result, web};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use serde::{Deserialize, Serialize};

pub(crate) type Orders = Pool<ConnectionManager<SqliteConnection>>;

diesel::table! {
    orders (id) {
        id -> BigInt,
        product_name -> Text,
        amount_minor -> BigInt,
        status -> Text,
        created_at -> Text,
        updated_at -> Text,
    }
}

diesel::table! {
    jobs (id) {
        id -> BigInt,
        kind -> Text,
        payload -> Text,
    }
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS orders (
        id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
        product_name TEXT NOT NULL,
        amount_minor BIGINT NOT NULL,
        status TEXT NOT NULL DEFAULT 'pending',
        created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
        updated_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    );
    CREATE INDEX IF NOT EXISTS orders_by_status ON orders (status, id DESC);
    CREATE TABLE IF NOT EXISTS jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
        kind TEXT NOT NULL,
        payload TEXT NOT NULL
    );
";

#[derive(Queryable, Selectable)]
#[diesel(table_name = orders)]
struct Order {
    id: i64,
    product_name: String,
    amount_minor: i64,
    status: String,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct Shown {
    id: i64,
    product_name: String,
    amount: String,
    status: String,
    created_at: String,
    updated_at: String,
}

#[derive(Deserialize)]
struct Draft {
    product_name: String,
    amount: String,
}

impl From<Order> for Shown {
    fn from(order: Order) -> Self {
        Self {
            id: order.id,
            product_name: order.product_name,
            amount: format!("{}.{:02}", order.amount_minor / 100, order.amount_minor % 100),
            status: order.status,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// As durable as ours.
#[derive(Debug)]
struct Durable;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Durable {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        let pragmas = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";
        conn.batch_execute(pragmas).map_err(diesel::r2d2::Error::QueryError)
    }
}

pub(crate) fn open(file: &str) -> Result<Orders, Box<dyn std::error::Error + Send + Sync>> {
    let pool = Pool::builder()
        .max_size(8)
        .connection_customizer(Box::new(Durable))
        .build(ConnectionManager::new(file))?;
    pool.get()?.batch_execute(TABLES)?;
    Ok(pool)
}

pub(crate) fn routes(config: &mut web::ServiceConfig, orders: Orders) {
    config
        .app_data(web::Data::new(orders))
        .route("/api/orders/{id}", web::get().to(show))
        .route("/api/orders/", web::post().to(create));
}

async fn show(pool: web::Data<Orders>, id: web::Path<i64>) -> Result<HttpResponse> {
    let found = web::block(move || -> Result<Option<Order>, Failed> {
        let mut conn = pool.get()?;
        Ok(orders::table.find(*id).select(Order::as_select()).first(&mut conn).optional()?)
    });
    let order = settle(found.await)?.ok_or_else(|| ErrorNotFound("there is no such order"))?;
    Ok(HttpResponse::Ok().json(Shown::from(order)))
}

async fn create(pool: web::Data<Orders>, draft: web::Json<Draft>) -> Result<HttpResponse> {
    let Draft { product_name, amount } = draft.into_inner();
    let amount_minor = minor(&amount).ok_or_else(|| ErrorUnprocessableEntity("amount is no amount"))?;
    if product_name.is_empty() || product_name.len() > 200 {
        return Err(ErrorUnprocessableEntity("product_name has 1 to 200 characters"));
    }
    let placed = web::block(move || -> Result<Order, Failed> {
        let mut conn = pool.get()?;
        Ok(conn.immediate_transaction(|conn| {
            let order: Order = diesel::insert_into(orders::table)
                .values((orders::product_name.eq(product_name), orders::amount_minor.eq(amount_minor)))
                .returning(Order::as_returning())
                .get_result(conn)?;
            let payload = format!(r#"{{"order_id":{}}}"#, order.id);
            diesel::insert_into(jobs::table)
                .values((jobs::kind.eq("process_order"), jobs::payload.eq(payload)))
                .execute(conn)?;
            diesel::QueryResult::Ok(order)
        })?)
    });
    Ok(HttpResponse::Created().json(Shown::from(settle(placed.await)?)))
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn settle<T>(done: Result<Result<T, Failed>, BlockingError>) -> Result<T> {
    done.map_err(ErrorInternalServerError)?.map_err(|error| {
        eprintln!("{error}");
        ErrorInternalServerError("the database failed")
    })
}

/// `99.99` in cents.
fn minor(amount: &str) -> Option<i64> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "00"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if part.len() != 2 || !digits(whole) || !digits(part) {
        return None;
    }
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(part.parse().ok()?)
}
