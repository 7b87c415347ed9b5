//! Header blocks in.

use std::collections::VecDeque;

use http::HeaderValue;

use super::{
    Error,
    field::{Field, Name, OVERHEAD, Seen, Value},
    huffman, integer, static_table,
};

/// Bytes the dynamic table may have, by what it counts: the size every client begins with
/// (RFC 9113 section 6.5.2), which the gateway leaves as it is.
pub const TABLE_BYTES: usize = 4096;

/// Reads the header blocks of one connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    table: VecDeque<Field>,
    /// What the fields of the table count together.
    size: usize,
    /// What they may count, as the client has set it.
    most: usize,
    /// Texts that had to be decoded.
    name: Vec<u8>,
    literal_name: Name,
    value: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            most: TABLE_BYTES,
            name: Vec::new(),
            literal_name: Name::Malformed(0),
            value: Vec::new(),
        }
    }
}

impl Decoder {
    /// Shows every field of a whole block.
    ///
    /// Fields that no message may have are shown as well: the table has them, whatever becomes of the message.
    pub fn block(&mut self, mut block: &[u8], mut show: impl FnMut(Seen<'_>)) -> Result<(), Error> {
        let mut begun = false;
        while let Some(&first) = block.first() {
            match first {
                0x80.. => {
                    let index = integer::read(&mut block, 7)?;
                    let Field { name, value, size } = lookup(&self.table, index)?;
                    show(Seen { name, value: Value::Kept(value.as_ref()), size: *size, secret: false });
                }
                0x40..0x80 => {
                    let field = self.literal(&mut block, 6, false)?;
                    let field = Field {
                        name: field.name.clone(),
                        value: field.bytes().and_then(|bytes| HeaderValue::from_bytes(bytes).ok()),
                        size: field.size,
                    };
                    let Field { name, value, size } = &field;
                    show(Seen { name, value: Value::Kept(value.as_ref()), size: *size, secret: false });
                    self.insert(field);
                }
                0x20..0x40 => {
                    // Only in front of all fields (RFC 7541 section 4.2).
                    let most = integer::read(&mut block, 5)?;
                    if begun || most > TABLE_BYTES {
                        return Err(Error::TableSize);
                    }
                    self.most = most;
                    self.evict(0);
                    continue;
                }
                _ => {
                    let secret = first & 0x10 != 0;
                    show(self.literal(&mut block, 4, secret)?);
                }
            }
            begun = true;
        }
        Ok(())
    }

    /// What the fields of the table count together.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Gives up what is made anew for the next block.
    pub fn rest(&mut self) {
        (self.name, self.value) = (Vec::new(), Vec::new());
        self.table.shrink_to_fit();
    }

    /// Reads a literal whose index has a prefix of so many bits.
    fn literal<'d, 'b: 'd>(&'d mut self, block: &mut &'b [u8], bits: u32, secret: bool) -> Result<Seen<'d>, Error> {
        let index = integer::read(block, bits)?;
        // Kept beside the texts, so that a name that was read can be lent like one of a table.
        let name = if index == 0 {
            let text = text(block, &mut self.name)?;
            self.literal_name = Name::read(text);
            &self.literal_name
        } else {
            &lookup(&self.table, index)?.name
        };
        let value = text(block, &mut self.value)?;
        Ok(Seen { name, value: Value::Literal(value), size: name.length() + value.len() + OVERHEAD, secret })
    }

    fn insert(&mut self, field: Field) {
        // A field larger than the table empties it (RFC 7541 section 4.4).
        self.evict(field.size);
        if field.size <= self.most {
            self.size += field.size;
            self.table.push_front(field);
        }
    }

    /// Makes room for a field that counts `size`.
    fn evict(&mut self, size: usize) {
        while self.size + size > self.most
            && let Some(oldest) = self.table.pop_back()
        {
            self.size -= oldest.size;
        }
    }
}

fn lookup(table: &VecDeque<Field>, index: usize) -> Result<&Field, Error> {
    match index.checked_sub(static_table::FIELDS + 1) {
        Some(dynamic) => table.get(dynamic),
        None => static_table::field(index),
    }
    .ok_or(Error::Index)
}

/// Takes a text off the front of `block` (RFC 7541 section 5.2).
fn text<'t, 'b: 't>(block: &mut &'b [u8], decoded: &'t mut Vec<u8>) -> Result<&'t [u8], Error> {
    let huffman = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer::read(block, 7)?;
    let (bytes, rest) = block.split_at_checked(length).ok_or(Error::Short)?;
    *block = rest;
    if !huffman {
        return Ok(bytes);
    }
    decoded.clear();
    huffman::decode(bytes, decoded)?;
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::connection::http2::hpack::{huffman::tests::encoded, integer::write};

    type Text = (String, String);

    fn shown(seen: &Seen<'_>) -> Text {
        let name = match seen.name {
            Name::Method => ":method".to_owned(),
            Name::Scheme => ":scheme".to_owned(),
            Name::Authority => ":authority".to_owned(),
            Name::Path => ":path".to_owned(),
            Name::Protocol => ":protocol".to_owned(),
            Name::Status => ":status".to_owned(),
            Name::Field(name) => name.to_string(),
            Name::Malformed(_) => "malformed".to_owned(),
        };
        (name, seen.bytes().map_or("malformed".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Text>, Error> {
        let mut fields = Vec::new();
        decoder.block(block, |seen| fields.push(shown(&seen))).map(|()| fields)
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("hex"), 16).expect("hex"))
            .collect()
    }

    /// Blocks of one connection, what they say, and what the table counts behind each (RFC 7541 appendix C).
    #[track_caller]
    fn check(most: usize, blocks: &[(&str, &[&str], usize)]) {
        let mut decoder = Decoder { most, ..Decoder::default() };
        for (block, fields, size) in blocks {
            let read = read(&mut decoder, &hex(block)).expect("a block");
            let read: Vec<String> = read.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
            assert_eq!((read, decoder.size), (fields.iter().map(|field| (*field).to_owned()).collect(), *size));
        }
    }

    #[test]
    fn literals_are_read_as_the_rfc_shows_them() {
        check(
            4096,
            &[("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", &["custom-key: custom-header"], 55)],
        );
        check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"], 0)]);
        check(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", &["password: secret"], 0)]);
        check(4096, &[("82", &[":method: GET"], 0)]);
        let mut secret = Vec::new();
        let block = hex("1008 7061 7373 776f 7264 0673 6563 7265 74 82");
        let outcome = Decoder::default().block(&block, |seen| secret.push(seen.secret));
        assert_eq!((outcome, secret), (Ok(()), vec![true, false]));
    }

    #[test]
    fn requests_are_read_as_the_rfc_shows_them() {
        const FIRST: &[&str] = &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
        let second = [FIRST, &["cache-control: no-cache"]].concat();
        let third = &[
            ":method: GET",
            ":scheme: https",
            ":path: /index.html",
            ":authority: www.example.com",
            "custom-key: custom-value",
        ];
        check(
            4096,
            &[
                ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, 57),
                ("8286 84be 5808 6e6f 2d63 6163 6865", &second, 110),
                ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", third, 164),
            ],
        );
        check(
            4096,
            &[
                ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57),
                ("8286 84be 5886 a8eb 1064 9cbf", &second, 110),
                ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third, 164),
            ],
        );
    }

    #[test]
    fn a_small_table_forgets_as_the_rfc_shows_it() {
        let fields = |status: &'static str, date: &'static str| {
            [status, "cache-control: private", date, "location: https://www.example.com"]
        };
        let (at_21, at_22) = ("date: Mon, 21 Oct 2013 20:13:21 GMT", "date: Mon, 21 Oct 2013 20:13:22 GMT");
        let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
        check(
            256,
            &[
                (
                    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e \
                     919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                    &fields(":status: 302", at_21),
                    222,
                ),
                ("4883 640e ffc1 c0bf", &fields(":status: 307", at_21), 222),
                (
                    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
                     821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
                     4ee5 b106 3d50 07",
                    &[&fields(":status: 200", at_22)[..], &["content-encoding: gzip", cookie]].concat(),
                    215,
                ),
            ],
        );
    }

    #[test]
    fn a_table_is_as_large_as_the_client_says_up_to_the_gateways_bound() {
        let mut decoder = Decoder::default();
        assert_eq!(read(&mut decoder, &hex("4003 612d 6201 78 4003 632d 6401 79")).map(|fields| fields.len()), Ok(2));
        assert_eq!(decoder.size, 72);
        // 40 bytes: the older field goes. Then the largest table there is, and one more.
        assert_eq!(read(&mut decoder, &hex("3f09 be")), Ok(vec![("c-d".to_owned(), "y".to_owned())]));
        assert_eq!(read(&mut decoder, &hex("20 3fe1 1f")), Ok(Vec::new()));
        assert_eq!(decoder.size, 0);
        assert_eq!(read(&mut decoder, &hex("be")), Err(Error::Index));
        assert_eq!(read(&mut decoder, &hex("3fe2 1f")), Err(Error::TableSize));
        assert_eq!(read(&mut decoder, &hex("82 20")), Err(Error::TableSize));
    }

    #[test]
    fn a_field_larger_than_the_table_empties_it() {
        let mut decoder = Decoder::default();
        let mut block = hex("4003 612d 6201 78");
        assert_eq!(read(&mut decoder, &block).map(|fields| fields.len()), Ok(1));
        block = hex("4001 61");
        write(&mut block, 0, 7, TABLE_BYTES);
        block.resize(block.len() + TABLE_BYTES, b'x');
        assert_eq!(read(&mut decoder, &block).map(|fields| fields[0].1.len()), Ok(TABLE_BYTES));
        assert_eq!((decoder.size, decoder.table.len()), (0, 0));
    }

    #[test]
    fn fields_no_message_may_have_are_counted_like_others() {
        let mut decoder = Decoder::default();
        // Upper case, a line end in a value, a pseudo-field nobody knows; then the last two from the table.
        let block = hex("4001 4101 78 4001 6101 0a 4002 3a78 0179 be bf");
        let malformed = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            malformed("malformed", "x"),
            malformed("a", "malformed"),
            malformed("malformed", "y"),
            malformed("malformed", "y"),
            malformed("a", "malformed"),
        ];
        assert_eq!(read(&mut decoder, &block), Ok(expected.to_vec()));
        assert_eq!(decoder.size, 34 + 34 + 35);
    }

    /// How a field is written: as a reference if there is one, to be kept, not, or by nobody.
    fn represent(block: &mut Vec<u8>, table: &mut Vec<Text>, field: &Text, how: u8, huffman: bool) {
        if let (0, Some(at)) = (how, table.iter().position(|known| known == field)) {
            return write(block, 0x80, 7, static_table::FIELDS + 1 + at);
        }
        let (pattern, bits) = [(0x40, 6), (0x40, 6), (0x00, 4), (0x10, 4)][usize::from(how)];
        let name = table.iter().position(|(name, _)| *name == field.0);
        write(block, pattern, bits, name.map_or(0, |at| static_table::FIELDS + 1 + at));
        for text in name.is_none().then_some(&field.0).into_iter().chain([&field.1]) {
            let bytes = if huffman { encoded(text.as_bytes()) } else { text.as_bytes().to_vec() };
            write(block, if huffman { 0x80 } else { 0 }, 7, bytes.len());
            block.extend_from_slice(&bytes);
        }
        if pattern == 0x40 {
            table.insert(0, field.clone());
            let mut size = 0;
            table.retain(|(name, value)| {
                size += name.len() + value.len() + OVERHEAD;
                size <= TABLE_BYTES
            });
        }
    }

    proptest! {
        #[test]
        fn blocks_say_what_was_written_however_it_was(
            blocks in prop::collection::vec(
                prop::collection::vec((("[a-f]{1,3}", "[ -~]{0,8}|[xyz]{700,900}"), 0u8..4, any::<bool>()), 0..10),
                1..5,
            )
        ) {
            let (mut decoder, mut table) = (Decoder::default(), Vec::new());
            for fields in blocks {
                let mut block = Vec::new();
                for (field, how, huffman) in &fields {
                    represent(&mut block, &mut table, field, *how, *huffman);
                }
                let fields: Vec<Text> = fields.into_iter().map(|(field, ..)| field).collect();
                prop_assert_eq!(read(&mut decoder, &block), Ok(fields));
                prop_assert!(decoder.size <= TABLE_BYTES);
            }
        }

        #[test]
        fn no_block_is_too_strange(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..4)) {
            let mut decoder = Decoder::default();
            for block in blocks {
                let _ = read(&mut decoder, &block);
                let counted: usize = decoder.table.iter().map(|field| field.size).sum();
                prop_assert!(decoder.size == counted && counted <= TABLE_BYTES);
            }
        }
    }
}
