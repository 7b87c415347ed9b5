//! `gateway.yaml`: from text to checked domain types.
//!
//! The only folder that knows YAML, reads files or looks at the environment. The way through it:
//! [`tree`] (text to spanned nodes) → [`expand`] (`${…}` in scalars) → [`raw`] (file shape) →
//! [`checked`] (domain types). All findings of all stages are reported at once.

pub mod apis;
pub mod builder;
pub mod chain;
pub mod changes;
pub mod checked;
pub mod containers;
pub mod deprecation;
pub mod expand;
pub mod file;
pub mod finding;
pub mod forms;
pub mod idle;
pub mod listeners;
pub mod load;
pub mod names;
pub mod origins;
pub mod pem;
pub mod places;
pub mod raw;
pub mod schema;
pub mod settings;
pub mod shape;
pub mod source;
pub mod suggest;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod tracing;
pub mod tree;
pub mod units;
mod upstream;
pub mod upstream_tls;
pub mod upstreams;
pub mod url;
pub mod versioning;
pub mod versions;
pub mod words;

pub use checked::{Admin, Config, Limits, Log, LogFormat, LogRequests, Secret, Timeouts};
pub use finding::{Finding, Severity};
pub use listeners::{Listener, ListenerId};
pub use load::{LoadError, Loaded, Outcome, load};
