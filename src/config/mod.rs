//! `gateway.yaml`: from text to checked domain types.
//!
//! The only folder that knows YAML, reads files or looks at the environment. The way through it:
//! [`tree`] (text to spanned nodes) → [`expand`] (`${…}` in scalars) → [`raw`] (file shape) →
//! [`checked`] (domain types). All findings of all stages are reported at once.

mod builder;
pub mod changes;
pub mod checked;
pub mod expand;
pub mod finding;
pub mod raw;
pub mod schema;
pub mod tree;
pub mod units;

pub use checked::{Config, load};
pub use finding::{Finding, Severity};
