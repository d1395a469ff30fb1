//! The canonical byte form of states, events and content: what is stored, hashed and compared.
//!
//! Unsigned integers are LEB128, signed ones zig-zag LEB128, texts and lists have their length before
//! them, optional values and variants a tag. Each value has exactly one form: a longer form of the same
//! number is refused, so equal bytes and equal values are the same thing. Decoding takes bytes from
//! anywhere: it never allocates more than a constant times what it was given.

use crate::{Code, Error, Result};

/// Reads the canonical form.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A value with a canonical form. Every value takes at least one byte.
pub trait Wire: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(reader: &mut Reader<'_>) -> Result<Self>;

    fn to_wire(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Decodes the whole of `bytes`; what is left over is an error.
    fn from_wire(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let value = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn finish(&self) -> Result<()> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.corrupted("bytes left over")) }
    }

    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.corrupted("it ends too early"))?;
        self.at += 1;
        Ok(byte)
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        if length > self.remaining() {
            return Err(self.corrupted("it ends too early"));
        }
        let taken = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(taken)
    }

    /// LEB128 in its shortest form.
    pub fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.corrupted("an integer beyond 64 bits"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return match byte {
                    0 if shift > 0 => {
                        Err(self.corrupted("an integer in a longer form than needed"))
                    }
                    _ => Ok(value),
                };
            }
        }
        Err(self.corrupted("an integer beyond 64 bits"))
    }

    /// A number of elements, each of which takes a byte at least.
    pub fn count(&mut self) -> Result<usize> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.remaining() => Ok(count),
            _ => Err(self.corrupted("more elements than bytes")),
        }
    }

    pub fn corrupted(&self, what: &str) -> Error {
        Error::new(Code::DataCorrupted, "stored combat data cannot be read")
            .with_context(format!("at byte {}: {what}", self.at))
    }
}

pub fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

macro_rules! unsigned {
    ($($integer:ty),+) => { $(
        impl Wire for $integer {
            fn write(&self, out: &mut Vec<u8>) {
                write_varint(out, u64::from(*self));
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self> {
                Self::try_from(reader.varint()?).map_err(|_| reader.corrupted("an integer out of range"))
            }
        }
    )+ };
}

macro_rules! signed {
    ($($integer:ty),+) => { $(
        impl Wire for $integer {
            fn write(&self, out: &mut Vec<u8>) {
                let value = i64::from(*self);
                write_varint(out, ((value << 1) ^ (value >> 63)) as u64);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self> {
                let zigzag = reader.varint()?;
                let value = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
                Self::try_from(value).map_err(|_| reader.corrupted("an integer out of range"))
            }
        }
    )+ };
}

unsigned!(u8, u16, u32, u64);
signed!(i16, i32, i64);

impl Wire for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(reader.corrupted("a truth value that is neither 0 nor 1")),
        }
    }
}

impl Wire for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.len() as u64);
        out.extend_from_slice(self.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let length = reader.count()?;
        let bytes = reader.take(length)?;
        let text =
            std::str::from_utf8(bytes).map_err(|_| reader.corrupted("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.write(out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(if bool::read(reader)? { Some(T::read(reader)?) } else { None })
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.len() as u64);
        self.iter().for_each(|element| element.write(out));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let count = reader.count()?;
        // A hostile count reserves nothing: the list grows as its elements are read.
        let mut list = Self::new();
        for _ in 0..count {
            list.push(T::read(reader)?);
        }
        Ok(list)
    }
}

impl<T: Wire> Wire for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        T::read(reader).map(Self::new)
    }
}

impl<T: Wire + Copy + Default, const N: usize> Wire for [T; N] {
    fn write(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|element| element.write(out));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut array = [T::default(); N];
        for element in &mut array {
            *element = T::read(reader)?;
        }
        Ok(array)
    }
}

/// The canonical form of a struct: its fields in the order given. A field that is forgotten does not
/// compile.
macro_rules! wire_struct {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::combat::wire::Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $($crate::combat::wire::Wire::write($field, out);)+
            }

            fn read(reader: &mut $crate::combat::wire::Reader<'_>) -> $crate::Result<Self> {
                Ok(Self { $($field: $crate::combat::wire::Wire::read(reader)?),+ })
            }
        }
    };
}

macro_rules! wire_newtype {
    ($name:ident) => {
        impl $crate::combat::wire::Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $crate::combat::wire::Wire::write(&self.0, out);
            }

            fn read(reader: &mut $crate::combat::wire::Reader<'_>) -> $crate::Result<Self> {
                $crate::combat::wire::Wire::read(reader).map(Self)
            }
        }
    };
}

/// The canonical form of an enum: the tag, then the fields of the variant. A tag is never used again
/// for another variant.
macro_rules! wire_enum {
    ($name:ident { $($tag:literal => $variant:ident $({ $($field:ident),+ $(,)? })? $(($inner:ident))?),+ $(,)? }) => {
        impl $name {
            /// Tags of the canonical form.
            #[allow(dead_code, reason = "few enums are read from other versions")]
            pub(crate) const KNOWN_TAGS: &[u64] = &[$($tag),+];
        }

        impl $crate::combat::wire::Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field),+ })? $(($inner))? => {
                        $crate::combat::wire::write_varint(out, $tag);
                        $($($crate::combat::wire::Wire::write($field, out);)+)?
                        $($crate::combat::wire::Wire::write($inner, out);)?
                    })+
                }
            }

            fn read(reader: &mut $crate::combat::wire::Reader<'_>) -> $crate::Result<Self> {
                match reader.varint()? {
                    $($tag => Ok(Self::$variant
                        $({ $($field: $crate::combat::wire::Wire::read(reader)?),+ })?
                        $(({
                            let $inner = $crate::combat::wire::Wire::read(reader)?;
                            $inner
                        }))?
                    ),)+
                    _ => Err(reader.corrupted(concat!("an unknown variant of ", stringify!($name)))),
                }
            }
        }
    };
}

pub(super) use {wire_enum, wire_newtype, wire_struct};
