//! Until when a certificate is good, read from its DER.
//!
//! Its own reader, because the verifier in use judges a validity and does not tell it. It looks at six elements of a
//! certificate that has been accepted as one; what it cannot read it leaves unsaid.

use rustls::pki_types::CertificateDer;

use crate::domain::time::UtcTime;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`, around the version.
const VERSION: u8 = 0xa0;

/// The end of the certificate's validity (RFC 5280 section 4.1.2.5).
pub fn not_after(certificate: &CertificateDer<'_>) -> Option<UtcTime> {
    let certificate = Elements(certificate).next(SEQUENCE)?;
    let mut body = Elements(Elements(certificate).next(SEQUENCE)?);
    if body.0.first() == Some(&VERSION) {
        body.next(VERSION)?;
    }
    let _serial = body.next(INTEGER)?;
    let _algorithm = body.next(SEQUENCE)?;
    let _issuer = body.next(SEQUENCE)?;
    let mut validity = Elements(body.next(SEQUENCE)?);
    let _not_before = validity.time()?;
    validity.time()
}

/// What is left of a run of DER elements.
struct Elements<'d>(&'d [u8]);

impl<'d> Elements<'d> {
    /// The content of the next element, which has to have this tag.
    fn next(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    fn time(&mut self) -> Option<UtcTime> {
        let tag = *self.0.first()?;
        let text = std::str::from_utf8(self.next(tag)?).ok()?;
        let digits = text.strip_suffix('Z')?;
        let digits = match tag {
            // Two digits of the year: 1950 to 2049.
            UTC_TIME => format!("{}{digits}", if *digits.as_bytes().first()? < b'5' { "20" } else { "19" }),
            GENERALIZED_TIME => digits.to_owned(),
            _ => return None,
        };
        let part = |from: usize, to: usize| digits.get(from..to);
        let (date, time) = ((part(0, 4)?, part(4, 6)?, part(6, 8)?), (part(8, 10)?, part(10, 12)?, part(12, 14)?));
        UtcTime::parse(&format!("{}-{}-{}T{}:{}:{}Z", date.0, date.1, date.2, time.0, time.1, time.2)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::fixture;

    #[test]
    fn the_end_is_read_in_both_spellings_of_a_year() {
        for (year, month, day) in [(1975, 1, 1), (2049, 12, 31), (2050, 1, 1), (4096, 2, 29)] {
            let der = fixture::until(year, month, day);
            assert_eq!(not_after(&der).map(UtcTime::date), Some(format!("{year:04}-{month:02}-{day:02}")));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end_and_does_no_harm() {
        let der = fixture::until(2040, 1, 1);
        for end in 0..der.len() {
            assert_eq!(not_after(&CertificateDer::from(&der[..end])), None, "{end}");
        }
        for at in 0..der.len() {
            for bit in 0..8 {
                let mut bent = der.to_vec();
                bent[at] ^= 1 << bit;
                let _ = not_after(&CertificateDer::from(bent));
            }
        }
    }
}
