//! The canonical form: one value, one form.

use proptest::prelude::*;

use crate::combat::wire::{Reader, Wire, write_varint};

proptest! {
    #[test]
    fn numbers_come_back(a in any::<u64>(), b in any::<i64>(), c in any::<i32>(), d in any::<u16>(), e in ".{0,9}") {
        prop_assert_eq!(u64::from_wire(&a.to_wire()).unwrap(), a);
        prop_assert_eq!(i64::from_wire(&b.to_wire()).unwrap(), b);
        prop_assert_eq!(i32::from_wire(&c.to_wire()).unwrap(), c);
        prop_assert_eq!(u16::from_wire(&d.to_wire()).unwrap(), d);
        let list = vec![Some(e), None];
        prop_assert_eq!(Vec::<Option<String>>::from_wire(&list.to_wire()).unwrap(), list);
    }

    #[test]
    fn bytes_are_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(value) = Vec::<Option<i64>>::from_wire(&bytes) {
            prop_assert_eq!(value.to_wire(), bytes);
        }
    }
}

#[test]
fn longer_forms_and_larger_numbers_are_refused() {
    for bytes in
        [&[0x80, 0x00][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], &[0x80]]
    {
        assert!(u64::from_wire(bytes).is_err(), "{bytes:?}");
    }
    assert!(u8::from_wire(&[0x80, 0x02]).is_err());
    assert!(bool::from_wire(&[2]).is_err());
    assert!(String::from_wire(&[1, 0xff]).is_err());
}

/// A list that claims more elements than there are bytes is refused before anything is reserved.
#[test]
fn a_hostile_count_allocates_nothing() {
    let mut bytes = Vec::new();
    write_varint(&mut bytes, u64::MAX);
    assert!(Vec::<u8>::from_wire(&bytes).is_err());
    let mut reader = Reader::new(&bytes);
    assert!(reader.count().is_err());
}
