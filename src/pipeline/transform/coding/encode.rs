//! A whole answer in a coding.

use std::io::{self, Write as _};

use brotli::enc::BrotliEncoderParams;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::Coding;

/// Middling efforts: an answer is coded once, for one client.
const DEFLATE_LEVEL: u32 = 5;
const BROTLI_QUALITY: i32 = 4;
/// A window of 4 MiB at most, as brotli's own default.
const BROTLI_WINDOW_BITS_MAX: i32 = 22;

/// Codes `body`. Takes about a hundredth of a second for a megabyte.
pub fn encode(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    let room = || Vec::with_capacity(body.len() / 4 + 64);
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(room(), Compression::new(DEFLATE_LEVEL));
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(room(), Compression::new(DEFLATE_LEVEL));
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let params = BrotliEncoderParams {
                quality: BROTLI_QUALITY,
                lgwin: window_bits(body.len()),
                size_hint: body.len(),
                ..BrotliEncoderParams::default()
            };
            let mut out = room();
            brotli::BrotliCompress(&mut &*body, &mut out, &params)?;
            Ok(out)
        }
        Coding::Zstd => Ok(compress_to_vec(body, CompressionLevel::Fastest)),
    }
}

/// A window no larger than the body: it is what the client has to make room for.
fn window_bits(length: usize) -> i32 {
    let bits = usize::BITS - length.leading_zeros();
    i32::try_from(bits).unwrap_or(BROTLI_WINDOW_BITS_MAX).clamp(10, BROTLI_WINDOW_BITS_MAX)
}
