//! What operators see: metrics, the access log and diagnostics.
//!
//! Nothing here blocks the request path: metrics are cells of the worker's own ([`cells`]), access-log
//! records go over a bounded channel to a thread of their own ([`access_log`]).

mod access_line;
pub mod access_log;
pub mod adoption;
pub mod cells;
pub mod diagnostics;
mod exporting;
mod families;
pub mod metrics;
pub mod record;
pub mod sampled;
pub mod series;
#[cfg_attr(not(feature = "otlp"), path = "spans_off.rs")]
pub mod spans;

pub use access_log::{AccessLog, Format};
pub use cells::{Counter, Gauge, Histogram};
pub use diagnostics::{init, say};
pub use exporting::Exporting;
pub use metrics::{ConnectionCells, Http2Cells, Metrics, NONE};
pub use record::{Record, Target};
pub use series::OTHER;
