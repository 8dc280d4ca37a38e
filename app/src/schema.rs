//! The tables, the same for both databases; `migrations/` makes them.

diesel::table! {
    orders (id) {
        id -> BigInt,
        product_name -> Text,
        amount_minor -> BigInt,
        currency -> Text,
        status -> Text,
        payment_method -> Text,
        line_count -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        version -> BigInt,
        user_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    order_totals (whose, status, currency) {
        whose -> BigInt,
        status -> Text,
        currency -> Text,
        orders -> BigInt,
        amount_minor -> BigInt,
    }
}

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        password_hash -> Text,
        role -> Text,
        disabled_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    sign_in_failures (key) {
        key -> Text,
        failures -> BigInt,
        last_at -> Timestamp,
        blocked_until -> Nullable<Timestamp>,
    }
}

diesel::table! {
    order_lines (order_id, position) {
        order_id -> BigInt,
        position -> Integer,
        product -> Text,
        quantity -> Integer,
        unit_price_minor -> BigInt,
    }
}

diesel::table! {
    charges (idempotency_key) {
        idempotency_key -> Text,
        amount_minor -> BigInt,
        currency -> Text,
        created_at -> Timestamp,
    }
}
