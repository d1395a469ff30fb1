//! Sine and cosine in 30 fractional bits, from a table that integers compute while compiling.

/// Entries for a quarter of a turn, both ends included.
const QUARTER_STEPS: usize = 1024;

/// Angle units between two entries.
const UNITS_PER_STEP: u32 = 16_384 / QUARTER_STEPS as u32;

/// π/2 in 60 fractional bits.
const HALF_PI_Q60: i128 = 1_811_004_864_519_280_710;

static QUARTER: [i32; QUARTER_STEPS + 1] = quarter();

/// The sine of an angle in 1/65536 of a turn, in 30 fractional bits. Between two entries it is
/// interpolated; the error is below 2⁻²¹.
pub fn sin_q30(angle: u16) -> i32 {
    let within_half = u32::from(angle & 0x7fff);
    let folded = if within_half > 16_384 { 32_768 - within_half } else { within_half };
    let (step, rest) = ((folded / UNITS_PER_STEP) as usize, folded % UNITS_PER_STEP);
    let low = i64::from(QUARTER[step]);
    let value = if rest == 0 {
        low
    } else {
        low + (i64::from(QUARTER[step + 1]) - low) * i64::from(rest) / i64::from(UNITS_PER_STEP)
    };
    (if angle & 0x8000 == 0 { value } else { -value }) as i32
}

/// The cosine of an angle in 1/65536 of a turn, in 30 fractional bits.
pub fn cos_q30(angle: u16) -> i32 {
    sin_q30(angle.wrapping_add(16_384))
}

/// The Taylor series in 60 fractional bits, rounded to 30.
const fn quarter() -> [i32; QUARTER_STEPS + 1] {
    let mut table = [0; QUARTER_STEPS + 1];
    let mut step = 0;
    while step <= QUARTER_STEPS {
        let x = HALF_PI_Q60 * step as i128 / QUARTER_STEPS as i128;
        let square = (x * x) >> 60;
        let (mut term, mut sum, mut n) = (x, x, 1);
        while n < 12 {
            term = -((term * square) >> 60) / ((2 * n) * (2 * n + 1));
            sum += term;
            n += 1;
        }
        table[step] = ((sum + (1 << 29)) >> 30) as i32;
        step += 1;
    }
    table
}
