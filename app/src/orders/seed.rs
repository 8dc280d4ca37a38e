//! Sample orders: `orders seed 1000`.

use chrono::{DateTime, Duration, NaiveDateTime};
use clap::Args;
use fastrand::Rng;
use serde_json::{Value, json};
use spanbox::app::{Ready, Service};
use spanbox::cli::{Command, Shell};
use spanbox::data::{Conn, Db};
use spanbox::module::BoxError;

use super::draft::{OrderDraft, Placement};
use super::error::OrderError;
use super::model::{NewLine, NewOrder};
use super::status::Status;
use super::store;

/// So many are one transaction.
const BATCH: u64 = 500;
/// How long the database may take to close.
const CLOSE: std::time::Duration = std::time::Duration::from_secs(5);
/// When the first of them may have been placed: the same for all who sow the same seed.
const SINCE: i64 = 1_767_225_600;
/// Within so many seconds from then on.
const WITHIN: i64 = 300 * 24 * 3600;

const ADJECTIVES: [&str; 8] = ["Brass", "Cherry", "Folding", "Glass", "Linen", "Oak", "Steel", "Woven"];
const NOUNS: [&str; 8] = ["basket", "chair", "kettle", "lamp", "mirror", "shelf", "table", "widget"];
const CURRENCIES: [&str; 3] = ["USD", "EUR", "JPY"];
const METHODS: [&str; 3] = ["credit_card", "debit_card", "paypal"];

/// Sows sample orders. They are stored as the orders of clients are, but at their end: nothing processes or charges them.
#[derive(Args)]
pub(crate) struct Seed {
    /// How many there shall be of this seed
    count: u32,
    /// Which: the same seed gives the same orders, and another one others
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// In production: yes, put made-up orders among the real ones
    #[arg(long)]
    yes: bool,
}

/// Why there are no more sample orders.
#[derive(Debug, thiserror::Error)]
enum SeedError {
    #[error(
        "this would put made-up orders among the real ones, in production: say `--yes` too if that is meant"
    )]
    Unconfirmed,
    #[error("this service has no database to sow orders in")]
    NoDatabase,
    #[error("the database lacks migrations ({0}): apply them with `orders migrate up`")]
    Migrations(String),
    #[error("order {0} of the seed is none that could be placed")]
    Unplaceable(u64),
}

impl Command for Seed {
    const NAME: &'static str = "seed";
    const ABOUT: &'static str =
        "Sow sample orders, as many as there shall be; one that was broken off is gone on with";

    fn run(self, service: Service, shell: &mut Shell<'_>) -> Result<(), BoxError> {
        let ready = service.prepare()?;
        if ready.config().profile().is_production() && !self.yes {
            return Err(SeedError::Unconfirmed.into());
        }
        actix::System::new().block_on(async {
            let db = open(&ready).await?;
            let sown = self.sow(&db, shell).await;
            let _all_units_have_ended = db.close(CLOSE).await;
            sown
        })
    }
}

async fn open(ready: &Ready) -> Result<Db, BoxError> {
    let migrations = ready.migrations().ok_or(SeedError::NoDatabase)?;
    let db = ready.database().await?;
    let states = db.migration_status(migrations).await?;
    let missing: Vec<_> = states.into_iter().filter(|state| !state.applied).map(|state| state.name).collect();
    if missing.is_empty() { Ok(db) } else { Err(SeedError::Migrations(missing.join(", ")).into()) }
}

impl Seed {
    async fn sow(&self, db: &Db, shell: &mut Shell<'_>) -> Result<(), BoxError> {
        let (seed, count) = (self.seed, u64::from(self.count));
        let mark = mark(seed);
        let newest = db.read(async move |conn: &mut Conn| store::newest_named(conn, &mark).await).await?;
        // They are stored in their order, each batch whole: the newest tells how many there are.
        let there = newest.and_then(|name| number(&name, seed)).map_or(0, |newest| newest + 1);
        if there >= count {
            return shell.print(&format!("there are {there} orders of the seed {seed} already\n"));
        }
        let mut done = there;
        while done < count {
            shell.progress(done, count);
            let until = (done + BATCH).min(count);
            let orders: Vec<(Placement, NewOrder)> =
                (done..until).map(|at| order(seed, at)).collect::<Result<_, _>>()?;
            db.write(async move |conn: &mut Conn| insert(conn, orders).await).await?;
            done = until;
        }
        shell.progress(count, count);
        shell.print(&format!("sown {} orders of the seed {seed}, {count} in all\n", count - there))
    }
}

async fn insert(conn: &mut Conn, orders: Vec<(Placement, NewOrder)>) -> Result<(), OrderError> {
    for (placement, new) in orders {
        let order = store::insert(conn, new).await?;
        if !placement.lines.is_empty() {
            store::set_lines(conn, 0, order.id, &NewLine::all(&placement.lines)).await?;
        }
    }
    Ok(())
}

/// What the product names of a seed have in common.
fn mark(seed: u32) -> String {
    format!("(sample {seed}-")
}

/// Which order of a seed has this name.
fn number(name: &str, seed: u32) -> Option<u64> {
    let rest = name.split_once(&mark(seed))?.1;
    rest.split_once(')')?.0.parse().ok()
}

/// An order of a seed: the same one each time.
fn order(seed: u32, at: u64) -> Result<(Placement, NewOrder), SeedError> {
    let mut random = Rng::with_seed((u64::from(seed) << 32) ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let draft = serde_json::from_value::<OrderDraft>(draft(&mut random, seed, at));
    let draft = draft.map_err(|_| SeedError::Unplaceable(at))?;
    let placement = draft.place().map_err(|_| SeedError::Unplaceable(at))?;
    let status = match random.u32(0..100) {
        0..85 => Status::Completed,
        85..95 => Status::Failed,
        _ => Status::Cancelled,
    };
    let placed = time(random.i64(0..WITHIN));
    let ended = placed + Duration::milliseconds(random.i64(20..90_000));
    let order = NewOrder::new(&placement, None).ended(status, placed, ended);
    Ok((placement, order))
}

/// What a client would send: most often one product, else a few lines.
fn draft(random: &mut Rng, seed: u32, at: u64) -> Value {
    let product = |random: &mut Rng| {
        format!("{} {}", ADJECTIVES[random.usize(..ADJECTIVES.len())], NOUNS[random.usize(..NOUNS.len())])
    };
    let currency = CURRENCIES[random.usize(..CURRENCIES.len())];
    // Most are small; the yen has no decimals.
    let price = |random: &mut Rng| {
        let whole = random.u32(1..40) * random.u32(1..40);
        if currency == "JPY" { format!("{whole}00") } else { format!("{whole}.{:02}", random.u32(0..100)) }
    };
    let method = METHODS[random.usize(..METHODS.len())];
    let first = format!("{} {}{at})", product(random), mark(seed));
    if random.u32(0..100) < 70 {
        let amount = price(random);
        return json!({ "product_name": first, "amount": amount, "currency": currency, "payment_method": method });
    }
    let mut lines = Vec::new();
    for line in 0..random.usize(1..=4) {
        let name = if line == 0 { first.clone() } else { product(random) };
        lines.push(json!({ "product": name, "quantity": random.u32(1..=5), "unit_price": price(random) }));
    }
    json!({ "lines": lines, "currency": currency, "payment_method": method })
}

fn time(after: i64) -> NaiveDateTime {
    DateTime::from_timestamp(SINCE + after, 0).unwrap_or_default().naive_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_orders_and_another_one_others() {
        let shown = |seed, at| format!("{:?}", order(seed, at).unwrap());
        for at in 0..2000 {
            let (placement, _) = order(7, at).unwrap();
            assert_eq!(number(&placement.product_name, 7), Some(at), "{}", placement.product_name);
            assert_eq!(number(&placement.product_name, 8), None);
        }
        // All but the times at which they were made, which are not theirs.
        assert_eq!(shown(7, 3), shown(7, 3));
        assert_ne!(shown(7, 3), shown(7, 4));
        assert_ne!(shown(7, 3), shown(8, 3));
    }
}
