//! The inner product of a row of bytes and a question of 16-bit numbers: one integer, whatever computes
//! it.
//!
//! No sum overflows: a pair of products is at most 2 · 127 · 32,767, and a lane of 32 bits adds at most
//! 256 of them, which stays below 2^31 up to [`NUMBERS_MAX`].

#![allow(
    unsafe_code,
    reason = "loads of SIMD registers; each function says why its loads stay within the slices"
)]

use std::sync::LazyLock;

/// Numbers of a row.
pub(crate) const NUMBERS_MAX: usize = 4_096;

/// Rows and questions are filled up with zeros to a multiple of this, the widest register.
pub(crate) const STRIDE: usize = 32;

/// What computes an inner product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    Avx512,
    Avx2,
    Scalar,
}

impl Product {
    /// The ways that this machine has, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut ways = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512f") {
                ways.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") {
                ways.push(Self::Avx2);
            }
        }
        ways.push(Self::Scalar);
        ways
    }

    /// The fastest way.
    pub fn fastest() -> Self {
        static FASTEST: LazyLock<Product> = LazyLock::new(|| Product::available()[0]);
        *FASTEST
    }
}

/// The inner product, computed this way; by plain code where the machine does not have the way. Both
/// are of the same length, a multiple of 32 and at most 4,096.
pub fn product(way: Product, row: &[i8], question: &[i16]) -> i64 {
    assert!(row.len() == question.len(), "a row and a question of one length");
    assert!(
        row.len().is_multiple_of(STRIDE) && row.len() <= NUMBERS_MAX,
        "filled up, and not too long"
    );
    match way {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the features are looked for before they are used; the lengths were compared above.
        Product::Avx512
            if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512f") =>
        unsafe { avx512(row, question) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Product::Avx2 if is_x86_feature_detected!("avx2") => unsafe { avx2(row, question) },
        _ => scalar(row, question),
    }
}

fn scalar(row: &[i8], question: &[i16]) -> i64 {
    let mut total = 0_i64;
    for (row, question) in row.chunks_exact(STRIDE).zip(question.chunks_exact(STRIDE)) {
        let products = row.iter().zip(question).map(|(a, b)| i32::from(*a) * i32::from(*b));
        total += i64::from(products.sum::<i32>());
    }
    total
}

/// # Safety
/// The machine has AVX2, and both slices have the same length, a multiple of 32.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(row: &[i8], question: &[i16]) -> i64 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16,
        _mm256_loadu_si256, _mm256_madd_epi16, _mm256_setzero_si256, _mm256_storeu_si256,
    };
    let mut sums = _mm256_setzero_si256();
    for at in (0..row.len()).step_by(16) {
        // SAFETY: `at + 16` is at most the length of both, which is a multiple of 16.
        let (bytes, words) = unsafe {
            (
                _mm_loadu_si128(row.as_ptr().add(at).cast::<__m128i>()),
                _mm256_loadu_si256(question.as_ptr().add(at).cast::<__m256i>()),
            )
        };
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_cvtepi8_epi16(bytes), words));
    }
    let mut lanes = [0_i32; 8];
    // SAFETY: the array has the size of the register.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast::<__m256i>(), sums) };
    lanes.into_iter().map(i64::from).sum()
}

/// # Safety
/// The machine has AVX-512 F and BW, and both slices have the same length, a multiple of 32.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn avx512(row: &[i8], question: &[i16]) -> i64 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_loadu_si256, _mm512_add_epi32, _mm512_cvtepi8_epi16,
        _mm512_loadu_si512, _mm512_madd_epi16, _mm512_setzero_si512, _mm512_storeu_si512,
    };
    let mut sums = _mm512_setzero_si512();
    for at in (0..row.len()).step_by(STRIDE) {
        // SAFETY: `at + 32` is at most the length of both, which is a multiple of 32.
        let (bytes, words) = unsafe {
            (
                _mm256_loadu_si256(row.as_ptr().add(at).cast::<__m256i>()),
                _mm512_loadu_si512(question.as_ptr().add(at).cast::<__m512i>()),
            )
        };
        sums = _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_cvtepi8_epi16(bytes), words));
    }
    let mut lanes = [0_i32; 16];
    // SAFETY: the array has the size of the register.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast::<__m512i>(), sums) };
    lanes.into_iter().map(i64::from).sum()
}
