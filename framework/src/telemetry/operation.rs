use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::{SpanId, TraceContextExt as _};
use opentelemetry::{Context, KeyValue, StringValue};
use opentelemetry_semantic_conventions::attribute::{CODE_FILE_PATH, CODE_LINE_NUMBER, DB_QUERY_SUMMARY};
use parking_lot::Mutex;

use super::Telemetry;

/// The event of a statement that is repeated where one would do.
const N_PLUS_ONE: &str = "db.n_plus_one";
/// How often it ran.
const STATEMENTS: &str = "spanbox.db.statements";

/// So many different statements are told apart in one operation.
const MOST: usize = 256;

/// One request, one run of a job, or one message that begins a trace: what repeated statements are counted in. It
/// travels with the context, so that what runs beside or behind each other is counted together.
pub(crate) struct Operation {
    /// The span that stands for it.
    span: SpanId,
    threshold: u32,
    ended: AtomicBool,
    statements: Mutex<Vec<Counted>>,
}

/// What asked for a statement, for the comment in it. It is in the context of a request where comments are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asking {
    /// The module.
    pub(crate) module: &'static str,
    /// `http.route`.
    pub(crate) route: Option<&'static str>,
}

struct Counted {
    fingerprint: u64,
    site: &'static Location<'static>,
    summary: StringValue,
    count: u32,
}

impl Operation {
    /// Begins an operation whose span is that of `cx`. Where that is not recorded, nothing is looked for, or there are no
    /// statements as no database is open, the answer is `cx` itself.
    pub(crate) fn begin(telemetry: &Telemetry, cx: Context) -> Context {
        let threshold = telemetry.database().n_plus_one;
        if threshold == 0 || !telemetry.has_statements() || !cx.span().is_recording() {
            return cx;
        }
        cx.with_value(Self {
            span: cx.span().span_context().span_id(),
            threshold,
            ended: AtomicBool::new(false),
            statements: Mutex::default(),
        })
    }

    /// The context of what goes through many rows on purpose: nothing in it counts as repeated.
    pub(crate) fn uncounted(cx: &Context) -> Context {
        if cx.get::<Self>().is_none() {
            return cx.clone();
        }
        cx.with_value(Self {
            span: SpanId::INVALID,
            threshold: u32::MAX,
            ended: AtomicBool::new(false),
            statements: Mutex::default(),
        })
    }

    /// Ends the operation that began with the span of `cx`, if one did: what was found is said on the span, which must
    /// still be open.
    pub(crate) fn end(telemetry: &Telemetry, cx: &Context) {
        // To look for it costs more than to know that there is none.
        let Some(operation) = telemetry.has_statements().then(|| cx.get::<Self>()).flatten() else { return };
        let span = cx.span();
        if operation.span != span.span_context().span_id() {
            return;
        }
        operation.ended.store(true, Ordering::Relaxed);
        let mut statements = operation.statements.lock();
        let mut told: Vec<&Location<'_>> = Vec::new();
        statements.sort_by_key(|statement| std::cmp::Reverse(statement.count));
        for statement in statements.iter().take_while(|statement| statement.count >= operation.threshold) {
            if !told.contains(&statement.site) {
                told.push(statement.site);
                span.add_event(N_PLUS_ONE, described(statement.site, &statement.summary, statement.count));
            }
        }
    }

    /// Counts one more run of a statement, which a place in the code asked for. True once, when it is too many: then
    /// the operation's span will tell, or that of `cx` at once if the operation has ended.
    pub(crate) fn repeats(
        &self,
        cx: &Context,
        fingerprint: u64,
        site: &'static Location<'static>,
        summary: &StringValue,
    ) -> bool {
        let mut statements = self.statements.lock();
        let known = statements.iter().position(|it| it.fingerprint == fingerprint && it.site == site);
        let Some(at) = known else {
            if statements.len() < MOST {
                statements.push(Counted { fingerprint, site, summary: summary.clone(), count: 1 });
            }
            return false;
        };
        let count = statements[at].count.saturating_add(1);
        statements[at].count = count;
        let found = |it: &Counted| it.site == site && it.count >= self.threshold;
        if count != self.threshold || statements.iter().filter(|it| found(it)).count() > 1 {
            return false;
        }
        drop(statements);
        if self.ended.load(Ordering::Relaxed) {
            cx.span().add_event(N_PLUS_ONE, described(site, summary, count));
        }
        true
    }
}

fn described(site: &Location<'static>, summary: &StringValue, count: u32) -> Vec<KeyValue> {
    vec![
        KeyValue::new(STATEMENTS, i64::from(count)),
        KeyValue::new(DB_QUERY_SUMMARY, summary.clone()),
        KeyValue::new(CODE_FILE_PATH, site.file()),
        KeyValue::new(CODE_LINE_NUMBER, i64::from(site.line())),
    ]
}
