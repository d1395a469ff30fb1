//! The vectors of a page, by the places that their owner gave them.

use crate::Question;
use crate::bytes::{NUMBERS_MAX, Product, STRIDE, product};
use crate::exact::{distance, dot, length};

/// What near means. Of each, more is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// The cosine of the angle.
    Cosine,
    /// The inner product.
    Dot,
    /// The distance, negated.
    Euclidean,
}

/// An interval that holds the exact value for certain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub low: f64,
    pub high: f64,
}

/// Vectors of one length. A place may be empty.
#[derive(Debug, Clone)]
pub struct Page {
    likeness: Likeness,
    dimension: usize,
    stride: usize,
    codes: Vec<i8>,
    floats: Vec<f32>,
    rows: Vec<Option<Row>>,
    way: Product,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    scale: f64,
    length: f64,
    /// Length of what rounding took away.
    error: f64,
}

/// Sums of floats are themselves rounded: by far less than this share of the lengths.
const SLACK: f64 = 1e-9;

impl Page {
    /// An empty page for vectors of so many numbers, 1 to 4,096.
    pub fn new(likeness: Likeness, dimension: usize) -> Self {
        assert!((1..=NUMBERS_MAX).contains(&dimension), "1 to 4096 numbers");
        Self {
            likeness,
            dimension,
            stride: dimension.next_multiple_of(STRIDE),
            codes: Vec::new(),
            floats: Vec::new(),
            rows: Vec::new(),
            way: Product::fastest(),
        }
    }

    /// Puts a vector of finite numbers in a place, in the place of what was there.
    pub fn put(&mut self, place: usize, vector: &[f32]) {
        const STEPS: f64 = 127.0;
        assert!(vector.len() == self.dimension, "a vector of the page's length");
        if self.rows.len() <= place {
            self.rows.resize(place + 1, None);
            self.codes.resize((place + 1) * self.stride, 0);
            self.floats.resize((place + 1) * self.dimension, 0.0);
        }
        let largest = vector.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
        let scale = f64::from(largest) / STEPS;
        let codes = &mut self.codes[place * self.stride..][..self.dimension];
        let mut error = 0.0;
        for (code, number) in codes.iter_mut().zip(vector) {
            let number = f64::from(*number);
            *code =
                if scale > 0.0 { (number / scale).round().clamp(-STEPS, STEPS) as i8 } else { 0 };
            error += (number - f64::from(*code) * scale).powi(2);
        }
        self.floats[place * self.dimension..][..self.dimension].copy_from_slice(vector);
        let row = Row { scale, length: length(vector), error: error.sqrt() };
        self.rows[place] = Some(row);
    }

    /// Empties a place: nothing of the vector remains.
    pub fn clear(&mut self, place: usize) {
        if let Some(row) = self.rows.get_mut(place) {
            *row = None;
            self.codes[place * self.stride..][..self.stride].fill(0);
            self.floats[place * self.dimension..][..self.dimension].fill(0.0);
        }
    }

    /// The vector as it came.
    pub fn get(&self, place: usize) -> Option<&[f32]> {
        self.row(place)?;
        Some(&self.floats[place * self.dimension..][..self.dimension])
    }

    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    pub fn size_bytes(&self) -> usize {
        self.codes.capacity()
            + self.floats.capacity() * size_of::<f32>()
            + self.rows.capacity() * size_of::<Option<Row>>()
    }

    /// Computes this way from now on, for tests and measurements.
    pub const fn set_way(&mut self, way: Product) {
        self.way = way;
    }

    /// Where the likeness of a place lies, by the bytes alone; `None` for an empty place.
    pub fn estimate(&self, place: usize, question: &Question) -> Option<Estimate> {
        let row = self.row(place)?;
        let codes = &self.codes[place * self.stride..][..self.stride];
        let product = product(self.way, codes, &question.codes) as f64;
        let middle = product * row.scale * question.scale;
        // x·q = (c + e)·(d + f) = c·d + e·q + c·f, and no inner product exceeds the lengths.
        let rounding = row.error * question.length + (row.length + row.error) * question.error;
        let slack = SLACK * (row.length * question.length + middle.abs());
        let (low, high) = (middle - rounding - slack, middle + rounding + slack);
        Some(match self.likeness {
            Likeness::Dot => Estimate { low, high },
            Likeness::Cosine => {
                let lengths = row.length * question.length;
                if lengths == 0.0 {
                    return Some(Estimate { low: 0.0, high: 0.0 });
                }
                Estimate { low: low / lengths - SLACK, high: high / lengths + SLACK }
            }
            Likeness::Euclidean => {
                let squares = row.length * row.length + question.length * question.length;
                let (near, far) = (squares - 2.0 * high, squares - 2.0 * low);
                let slack = SLACK * squares;
                let root = |square: f64| square.max(0.0).sqrt();
                Estimate { low: -root(far + slack), high: -root(near - slack) }
            }
        })
    }

    /// The likeness of a place, by the floats; `None` for an empty place.
    pub fn exact(&self, place: usize, question: &Question) -> Option<f64> {
        let row = self.row(place)?;
        let vector = &self.floats[place * self.dimension..][..self.dimension];
        Some(match self.likeness {
            Likeness::Dot => dot(vector, &question.floats),
            Likeness::Cosine => match row.length * question.length {
                0.0 => 0.0,
                lengths => dot(vector, &question.floats) / lengths,
            },
            Likeness::Euclidean => -distance(vector, &question.floats),
        })
    }

    fn row(&self, place: usize) -> Option<&Row> {
        self.rows.get(place)?.as_ref()
    }
}
