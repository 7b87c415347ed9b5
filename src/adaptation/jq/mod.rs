//! Programs in the jq language: the one op whose text can say anything, so it runs in a box.
//!
//! - [`sandbox`]: which programs are taken, and the functions they may call;
//! - [`metered`], [`meter`]: what it may cost, in memory and time;
//! - [`value`]: subtrees as jaq's values and back, numbers as they were spelled;
//! - [`pool`]: threads of their own, a deadline, and turning off what does not keep it.
//!
//! A worker never runs a filter itself: it hands a whole adaptation to the [`pool`] and waits
//! without blocking. Whoever may block ([`check`], `explain`, tests) calls it directly.

mod meter;
mod metered;
mod natives;
pub mod pool;
mod sandbox;
mod value;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use jaq_core::{Ctx, Vars, data::JustLut, unwrap_valr};
use jaq_json::Val;

use self::metered::Metered;
use super::literal::Literal;
pub use sandbox::FilterError;

/// Bytes a subtree may have, going in and coming out.
pub const SUBTREE_BYTES_MAX: usize = 64 * 1024;

/// How often a filter may miss its deadline before it is turned off.
const EXPIRIES_MAX: u32 = 3;

type Compiled = jaq_core::Filter<JustLut<Metered>>;

/// A compiled program; copies share it.
#[derive(Clone)]
pub struct Filter(Arc<Inner>);

struct Inner {
    text: Box<str>,
    compiled: Compiled,
    /// Runs at this moment.
    running: AtomicU32,
    /// Deadlines missed.
    expired: AtomicU32,
}

/// A subtree for which a filter has no single result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The filter failed, gave no or several results, cost too much, is turned off, or the subtree is too large.
    Filter,
    /// A name occurs twice in the subtree, which the filter could not tell apart.
    Duplicate,
}

impl Filter {
    /// Compiles a program.
    ///
    /// - Errors: it is no jq program, or calls what could run for ever or look outside.
    pub fn new(text: &str) -> Result<Self, FilterError> {
        let compiled = sandbox::compile(text)?;
        let inner = Inner { text: text.into(), compiled, running: AtomicU32::new(0), expired: AtomicU32::new(0) };
        Ok(Self(Arc::new(inner)))
    }

    /// The program's text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether it missed so many deadlines that it is not run any more.
    pub fn is_off(&self) -> bool {
        self.0.expired.load(Relaxed) >= EXPIRIES_MAX
    }

    /// Runs on one subtree, a valid JSON text, and gives the text of its only result.
    pub(super) fn run(&self, subtree: &[u8]) -> Result<Vec<u8>, Failure> {
        if subtree.len() > SUBTREE_BYTES_MAX || self.is_off() {
            return Err(Failure::Filter);
        }
        let result = self.single(value::read(subtree)?)?;
        value::write(&result, SUBTREE_BYTES_MAX).ok_or(Failure::Filter)
    }

    fn single(&self, input: Val) -> Result<Val, Failure> {
        self.0.running.fetch_add(1, Relaxed);
        let single = meter::metered(|| {
            let context = Ctx::<JustLut<Metered>>::new(&self.0.compiled.lut, Vars::new([]));
            let mut results = self.0.compiled.id.run((context, Metered::of(input))).map(unwrap_valr);
            match (results.next(), results.next()) {
                (Some(Ok(result)), None) => Some(result.value),
                _ => None,
            }
        });
        self.0.running.fetch_sub(1, Relaxed);
        single.flatten().ok_or(Failure::Filter)
    }

    /// Counts a missed deadline if it is this filter that is still running, and says so.
    pub(super) fn blame(&self) -> bool {
        let is_running = self.0.running.load(Relaxed) > 0;
        if is_running {
            self.0.expired.fetch_add(1, Relaxed);
        }
        is_running
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({:?})", self.0.text)
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Filter {}

/// What is wrong with an example of a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExampleError {
    /// The program has no single result for it.
    #[error("up gives no single result for it")]
    Up,
    /// The way back has no single result.
    #[error("down gives no single result for {0}, which up made of it")]
    Down(String),
    /// The way back leads elsewhere.
    #[error("it becomes {up} and comes back as {down}")]
    Differs {
        /// The newer form.
        up: String,
        /// What became of that.
        down: String,
    },
    /// It took too long.
    #[error("its programs take too long")]
    Slow,
}

/// Runs an example up, and down again unless there is no way down; the round trip has to give it back,
/// numbers compared by value. Blocks for as long as the [`pool`] lets it.
pub fn check(up: &Filter, down: Option<&Filter>, example: &Literal) -> Result<(), ExampleError> {
    let (up, down, example) = (up.clone(), down.cloned(), example.clone());
    pool::block_on(move || round_trip(&up, down.as_ref(), &example)).unwrap_or(Err(ExampleError::Slow))
}

fn round_trip(up: &Filter, down: Option<&Filter>, example: &Literal) -> Result<(), ExampleError> {
    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let newer = up.run(example.as_bytes()).map_err(|_| ExampleError::Up)?;
    let Some(down) = down else { return Ok(()) };
    let older = down.run(&newer).map_err(|_| ExampleError::Down(shown(&newer)))?;
    match (value::read(&older), value::read(example.as_bytes())) {
        (Ok(older), Ok(example)) if older == example => Ok(()),
        _ => Err(ExampleError::Differs { up: shown(&newer), down: shown(&older) }),
    }
}

#[cfg(test)]
mod tests;
