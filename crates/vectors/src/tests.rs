use proptest::prelude::*;

use crate::{Likeness, Page, Product, Question, Shelf, product};

const LIKENESSES: [Likeness; 3] = [Likeness::Cosine, Likeness::Dot, Likeness::Euclidean];

fn vectors(count: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let magnitude = prop_oneof![Just(1.0_f32), Just(1e20), Just(1e-20), Just(1.7), Just(0.0)];
    (1..70_usize).prop_flat_map(move |dimension| {
        let numbers = proptest::collection::vec(-1.0..1.0_f32, dimension);
        let one = (numbers, magnitude.clone())
            .prop_map(|(numbers, by)| numbers.iter().map(|number| number * by).collect());
        proptest::collection::vec(one, count)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_way_gives_the_same_integer(
        numbers in proptest::collection::vec((any::<i8>(), any::<i16>()), 1..128_usize),
        repeat in 1..33_usize,
    ) {
        let length = (numbers.len() * repeat).min(4_064).next_multiple_of(32);
        let all: Vec<_> = numbers.iter().copied().cycle().take(length).collect();
        let row: Vec<i8> = all.iter().map(|(a, _)| (*a).max(-127)).collect();
        let question: Vec<i16> = all.iter().map(|(_, b)| (*b).max(-32_767)).collect();
        let expected: i64 =
            row.iter().zip(&question).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
        for way in Product::available() {
            prop_assert_eq!(product(way, &row, &question), expected, "{:?}", way);
        }
    }

    #[test]
    fn an_estimate_holds_the_exact_value(all in vectors(6)) {
        let question = Question::new(&all[0]);
        for likeness in LIKENESSES {
            let mut page = Page::new(likeness, all[0].len());
            for (place, vector) in all[1..].iter().enumerate() {
                page.put(place, vector);
                let exact = page.exact(place, &question).unwrap();
                let estimate = page.estimate(place, &question).unwrap();
                prop_assert!(exact.is_finite());
                prop_assert!(
                    estimate.low <= exact && exact <= estimate.high,
                    "{:?} {:?} {}", likeness, estimate, exact
                );
                prop_assert_eq!(page.get(place).unwrap(), &vector[..]);
            }
        }
    }
}

#[test]
fn the_largest_products_do_not_overflow() {
    let (row, question) = (vec![-127_i8; 4_096], vec![32_767_i16; 4_096]);
    for way in Product::available() {
        assert_eq!(product(way, &row, &question), -127 * 32_767 * 4_096, "{way:?}");
    }
}

/// Neither numbers beyond ±1 nor very large ones wrap or become infinite.
#[test]
fn distances_of_large_vectors_are_finite_and_in_order() {
    let mut page = Page::new(Likeness::Euclidean, 2);
    page.put(0, &[1e20, 2e19]);
    page.put(1, &[1e20, 1e19]);
    let origin = Question::new(&[0.0, 0.0]);
    let (far, near) = (page.exact(0, &origin).unwrap(), page.exact(1, &origin).unwrap());
    assert!(far.is_finite() && near > far);

    let mut page = Page::new(Likeness::Cosine, 2);
    page.put(0, &[1.7, 0.0]);
    assert!(page.exact(0, &Question::new(&[1.0, 0.0])).unwrap() > 0.999);
}

#[test]
fn a_cleared_place_holds_nothing() {
    let mut page = Page::new(Likeness::Cosine, 3);
    page.put(2, &[1.0, 2.0, 3.0]);
    let question = Question::new(&[1.0, 0.0, 0.0]);
    assert_eq!(page.exact(0, &question), None);
    assert_eq!(page.get(2), Some(&[1.0, 2.0, 3.0][..]));
    page.clear(2);
    assert_eq!((page.get(2), page.estimate(2, &question)), (None, None));
    page.clear(77);
    page.put(2, &[0.0, 0.0, 1.0]);
    assert_eq!(page.exact(2, &question), Some(0.0));
}

#[test]
fn estimates_of_unit_vectors_are_narrow() {
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut page = Page::new(Likeness::Cosine, 384);
    for place in 0..50 {
        page.put(place, &(0..384).map(|_| random()).collect::<Vec<_>>());
    }
    let question = Question::new(&(0..384).map(|_| random()).collect::<Vec<_>>());
    for place in 0..50 {
        let estimate = page.estimate(place, &question).unwrap();
        assert!(estimate.high - estimate.low < 0.02, "{estimate:?}");
    }
}

#[test]
fn a_shelf_gives_up_the_least_lately_used() {
    let mut shelf = Shelf::new(30);
    assert!(shelf.put("a", 1, 10).is_empty());
    assert!(shelf.put("b", 2, 10).is_empty());
    assert!(shelf.put("c", 3, 10).is_empty());
    assert_eq!(shelf.get(&"a"), Some(1));
    assert_eq!(shelf.put("d", 4, 10), [2]);
    assert_eq!(shelf.put("a", 1, 20), [3]);
    assert_eq!((shelf.len(), shelf.bytes()), (2, 30));
    assert_eq!(shelf.put("e", 5, 100), [4, 1]);
    assert_eq!((shelf.len(), shelf.bytes()), (1, 100));
    shelf.retain(|key| *key != "e");
    assert!(shelf.is_empty() && shelf.bytes() == 0);
}
