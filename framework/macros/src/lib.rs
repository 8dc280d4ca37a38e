//! The macros of spanbox. Depend on `spanbox` alone: it re-exports them, and what they expand to is there.

mod expand;
mod function;
mod options;

use proc_macro::TokenStream;

/// A span for each call of a function. `spanbox::traced` is the documented name.
#[proc_macro_attribute]
pub fn traced(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::traced(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
