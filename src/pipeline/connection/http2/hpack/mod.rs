//! Header compression (RFC 7541).
//!
//! Towards the gateway clients compress as they like. What the gateway says is written without a dynamic
//! table and without the Huffman code: so a field reads the same wherever it stands, is written in one
//! pass over its bytes, and a connection has nothing to remember of what was said on it.

pub mod decoder;
pub mod encoder;
pub mod field;
pub mod huffman;
pub mod integer;
pub mod static_table;

pub use decoder::Decoder;

/// Why a header block cannot be read. The compression states differ from here on: the connection ends
/// (RFC 9113 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The block ends within a field.
    #[error("a header block ends within a field")]
    Short,
    /// A number that stands for nothing the gateway could hold.
    #[error("a number in a header block is too large")]
    Number,
    /// A reference to a field that is not in the tables.
    #[error("a header block refers to a field nobody knows")]
    Index,
    /// Bits that are no Huffman code, or padding that is none.
    #[error("a text in a header block is no Huffman code")]
    Huffman,
    /// The dynamic table may not have this size, or not from here on.
    #[error("a header block changes the size of its table as it may not")]
    TableSize,
}
