//! Reads text of one charset into UTF-8, strictly: what is not in it is an error, never a
//! replacement character.

use bytes::Bytes;
use encoding_rs::{Decoder, DecoderResult, Encoding};

use super::byte_order;
use crate::adaptation::Reason;

/// Reads text in UTF-16 while it arrives.
#[derive(Default)]
pub(in super::super) struct Transcoder(State);

enum State {
    /// For the two bytes that show the byte order; the first one, if it is there.
    Waits(Option<u8>),
    Reads(Decoder),
    /// It is not in UTF-16 after all.
    Passes,
}

impl Default for State {
    fn default() -> Self {
        Self::Waits(None)
    }
}

impl Transcoder {
    /// What can be read by now.
    pub(in super::super) fn push(&mut self, data: Bytes) -> Result<Bytes, Reason> {
        let data = match &self.0 {
            State::Waits(None) => data,
            State::Waits(Some(first)) => [&[*first], &data[..]].concat().into(),
            State::Reads(_) | State::Passes => data,
        };
        if let State::Waits(_) = self.0 {
            self.0 = match (&data[..], byte_order(&data)) {
                ([] | [_], _) => {
                    self.0 = State::Waits(data.first().copied());
                    return Ok(Bytes::new());
                }
                (_, Some(encoding)) => State::Reads(encoding.new_decoder_with_bom_removal()),
                (_, None) => State::Passes,
            };
        }
        match &mut self.0 {
            State::Reads(decoder) => text(decoder, &data, false, usize::MAX),
            State::Waits(_) | State::Passes => Ok(data),
        }
    }

    /// What is left. Nothing more comes.
    pub(in super::super) fn end(self) -> Result<Bytes, Reason> {
        match self.0 {
            State::Waits(first) => Ok(first.into_iter().collect()),
            State::Reads(mut decoder) => text(&mut decoder, &[], true, usize::MAX),
            State::Passes => Ok(Bytes::new()),
        }
    }
}

impl std::fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transcoder").finish_non_exhaustive()
    }
}

/// A text that is there already, without the mark it may begin with.
///
/// - `cap`: most bytes of it in UTF-8.
pub(super) fn whole(encoding: &'static Encoding, coded: &[u8], cap: usize) -> Result<Bytes, Reason> {
    text(&mut encoding.new_decoder_with_bom_removal(), coded, true, cap)
}

/// Room for more is made in such pieces: most texts grow little.
const ROOM_BYTES: usize = 16 * 1024;

fn text(decoder: &mut Decoder, mut coded: &[u8], last: bool, cap: usize) -> Result<Bytes, Reason> {
    let mut text = Vec::with_capacity(coded.len());
    loop {
        let held = text.len();
        let most = decoder.max_utf8_buffer_length_without_replacement(coded.len());
        text.resize(held + most.unwrap_or(ROOM_BYTES).min(ROOM_BYTES), 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(coded, &mut text[held..], last);
        text.truncate(held + written);
        coded = &coded[read..];
        if text.len() > cap {
            return Err(Reason::TooLarge);
        }
        match result {
            DecoderResult::InputEmpty => return Ok(text.into()),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return Err(Reason::Charset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<String, Reason> {
        let mut transcoder = Transcoder::default();
        let mut text = Vec::new();
        for piece in pieces {
            text.extend_from_slice(&transcoder.push(Bytes::copy_from_slice(piece))?);
        }
        text.extend_from_slice(&transcoder.end()?);
        Ok(String::from_utf8(text).expect("UTF-8"))
    }

    #[test]
    fn wherever_the_pieces_end_the_text_is_the_same() {
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            for text in ["{\"ä\":1}\n{\"🦀\":2}\n", "\u{feff}7\n", "7"] {
                let bytes: Vec<u8> = text.encode_utf16().flat_map(order).collect();
                let text = text.trim_start_matches('\u{feff}');
                for at in 0..=bytes.len() {
                    let (front, back) = bytes.split_at(at);
                    assert_eq!(read(&[front, b"", back]).as_deref(), Ok(text));
                }
                let single: Vec<&[u8]> = bytes.chunks(1).collect();
                assert_eq!(read(&single).as_deref(), Ok(text));
            }
        }
        assert_eq!(read(&[]).as_deref(), Ok(""));
    }

    #[test]
    fn what_is_not_in_utf16_passes() {
        assert_eq!(read(&[b"{", b"\"a\":1}"]).as_deref(), Ok("{\"a\":1}"));
        assert_eq!(read(&[b"7"]).as_deref(), Ok("7"));
    }

    #[test]
    fn half_a_character_is_an_error() {
        assert_eq!(read(&[b"7\0", b"7"]), Err(Reason::Charset));
        assert_eq!(read(&[b"\"\0\x00\xd8", b"\"\0"]), Err(Reason::Charset));
    }
}
