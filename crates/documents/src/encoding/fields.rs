//! Fields of protobuf messages, written straight from what they hold.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// A text, if it is not empty.
pub fn text(field: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        encode_key(field, WireType::LengthDelimited, out);
        encode_varint(text.len() as u64, out);
        out.extend_from_slice(text.as_bytes());
    }
}

/// A number, if it is not 0.
pub fn number(field: u32, number: u64, out: &mut Vec<u8>) {
    if number != 0 {
        varint(field, number, out);
    }
}

pub fn varint(field: u32, number: u64, out: &mut Vec<u8>) {
    encode_key(field, WireType::Varint, out);
    encode_varint(number, out);
}

pub fn double(field: u32, number: f64, out: &mut Vec<u8>) {
    encode_key(field, WireType::SixtyFourBit, out);
    out.extend_from_slice(&number.to_le_bytes());
}

/// What has a length, which is known once it is written. One byte is left for it, as most need no more;
/// else what was written moves up.
pub fn message(field: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(field, WireType::LengthDelimited, out);
    let begin = out.len() + 1;
    out.push(0);
    write(out);
    let length = out.len() - begin;
    let more = encoded_len_varint(length as u64) - 1;
    if more > 0 {
        out.resize(out.len() + more, 0);
        out.copy_within(begin..begin + length, begin + more);
    }
    encode_varint(length as u64, &mut &mut out[begin - 1..begin + more]);
}
