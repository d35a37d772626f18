//! Reports states that cannot occur unless the program itself is wrong.

/// Logs an impossible state with its context. Panics in debug builds; in release builds the caller goes on without what is
/// missing.
macro_rules! impossible {
    ($what:literal $(, $name:ident = $value:expr)*) => {{
        tracing::error!($($name = ?$value,)* what = $what, "internal error");
        debug_assert!(false, $what);
    }};
}
