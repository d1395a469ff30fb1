//! Compact bytes: what the log, the snapshots and the digests of events are made of.

use super::Name;

/// Writes numbers as varints and texts behind their length.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn u64(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Small for numbers near zero, whatever their sign.
    pub fn i64(&mut self, number: i64) {
        self.u64((number << 1 ^ number >> 63) as u64);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Nothing is the empty text, which is no name.
    pub fn name(&mut self, name: Option<&Name>) {
        self.text(name.map_or("", Name::as_str));
    }
}

/// The bytes end early, or are none that a [`Writer`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated;

impl std::fmt::Display for Truncated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bytes are not what was written")
    }
}

impl std::error::Error for Truncated {}

/// Reads what a [`Writer`] wrote.
#[derive(Debug, Clone)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn u8(&mut self) -> Result<u8, Truncated> {
        Ok(self.raw(1)?[0])
    }

    pub fn u64(&mut self) -> Result<u64, Truncated> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Truncated)
    }

    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.u64()?.try_into().map_err(|_| Truncated)
    }

    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.u64()?.try_into().map_err(|_| Truncated)
    }

    /// A count of things that take at least a byte each, so that damaged bytes cannot ask for room.
    pub fn count(&mut self) -> Result<usize, Truncated> {
        let count = self.u64()?;
        if count > self.0.len() as u64 { Err(Truncated) } else { Ok(count as usize) }
    }

    pub fn i64(&mut self) -> Result<i64, Truncated> {
        let number = self.u64()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], Truncated> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Truncated> {
        let length = self.count()?;
        self.raw(length)
    }

    pub fn text(&mut self) -> Result<&'a str, Truncated> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Truncated)
    }

    pub fn name(&mut self) -> Result<Option<Name>, Truncated> {
        Name::parse_optional("", self.text()?).map_err(|_| Truncated)
    }
}

/// FNV-1a in 64 bits: tells a repeated event from another one under the same id.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(a in proptest::num::u64::ANY, b in proptest::num::i64::ANY, t in ".{0,20}") {
            let mut writer = Writer::default();
            writer.u64(a);
            writer.i64(b);
            writer.text(&t);
            let mut reader = Reader(&writer.0);
            proptest::prop_assert_eq!(reader.u64(), Ok(a));
            proptest::prop_assert_eq!(reader.i64(), Ok(b));
            proptest::prop_assert_eq!(reader.text(), Ok(t.as_str()));
            proptest::prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            while !reader.is_empty() && reader.text().is_ok() && reader.u64().is_ok() {}
        }
    }
}
