//! The tables, the same for both databases; `migrations/` makes them.

diesel::table! {
    orders (id) {
        id -> BigInt,
        product_name -> Text,
        amount_minor -> BigInt,
        currency -> Text,
        status -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        version -> BigInt,
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
