//! Dense layers of single-precision floats: `out = x · wᵀ + b`.

#![allow(
    unsafe_code,
    reason = "loads of SIMD registers; each function says why its loads stay within the slices"
)]

/// Rows of `x`, each of `inputs` numbers, times the rows of `weight`, each of as many, plus `bias`. Answers
/// one row of `bias.len()` numbers for each row of `x`.
pub fn linear(x: &[f32], weight: &[f32], bias: &[f32], inputs: usize) -> Vec<f32> {
    assert!(
        inputs > 0 && weight.len() == inputs * bias.len(),
        "one row of weights for each output"
    );
    let rows = x.chunks_exact(inputs);
    let mut out = Vec::with_capacity(rows.len() * bias.len());
    for row in rows {
        let weights = weight.chunks_exact(inputs);
        out.extend(weights.zip(bias).map(|(weights, bias)| dot32(row, weights) + bias));
    }
    out
}

/// The inner product in single precision.
pub fn dot32(a: &[f32], b: &[f32]) -> f32 {
    assert!(a.len() == b.len(), "vectors of one length");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the features are there, and the lengths are the same.
        return unsafe { fused(a, b) };
    }
    plain(a, b)
}

fn plain(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut lanes = [0.0_f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.into_iter().sum::<f32>() + rest
}

/// # Safety
/// The machine has AVX2 and FMA, and both slices have the same length.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn fused(a: &[f32], b: &[f32]) -> f32 {
    use std::arch::x86_64::{
        _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    };
    const LANES: usize = 8;
    let whole = a.len() / (2 * LANES) * (2 * LANES);
    let (mut even, mut odd) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    for at in (0..whole).step_by(2 * LANES) {
        // SAFETY: `at + 16` is at most `whole`, which both lengths reach.
        unsafe {
            let (a, b) = (a.as_ptr().add(at), b.as_ptr().add(at));
            even = _mm256_fmadd_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b), even);
            let (a, b) = (a.add(LANES), b.add(LANES));
            odd = _mm256_fmadd_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b), odd);
        }
    }
    let mut lanes = [0.0_f32; LANES];
    // SAFETY: the array has the size of the register.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), _mm256_add_ps(even, odd)) };
    let rest: f32 = a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum();
    lanes.into_iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_agree() {
        for length in [1, 7, 8, 15, 16, 17, 31, 384, 1_536] {
            let a: Vec<f32> = (0..length).map(|n| (n as f32 * 0.37).sin()).collect();
            let b: Vec<f32> = (0..length).map(|n| (n as f32 * 0.91).cos()).collect();
            assert!((dot32(&a, &b) - plain(&a, &b)).abs() < 1e-3, "{length}");
        }
    }

    #[test]
    fn a_layer_is_rows_times_rows() {
        let out =
            linear(&[1.0, 2.0, 3.0, 4.0], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], &[0.5, 0.0, 0.0], 2);
        assert_eq!(out, [1.5, 2.0, 3.0, 3.5, 4.0, 7.0]);
    }
}
