//! The transformer: embeddings, layers of attention and a dense part, the mean over all tokens.

use gamemesh_vectors::{dot32, linear};
use serde::Deserialize;

use super::tensors::Tensors;

#[derive(Deserialize)]
struct Config {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    layer_norm_eps: f32,
}

pub(super) struct Encoder {
    width: usize,
    heads: usize,
    epsilon: f32,
    words: Vec<f32>,
    positions: Vec<f32>,
    kind: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Dense {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Layer {
    query: Dense,
    key: Dense,
    value: Dense,
    attended: Dense,
    attended_norm: Norm,
    wide: Dense,
    narrow: Dense,
    norm: Norm,
}

impl Encoder {
    pub(super) fn read(config: &[u8], tensors: &[u8]) -> Result<Self, String> {
        let config: Config =
            serde_json::from_slice(config).map_err(|error| format!("config.json: {error}"))?;
        let Config { hidden_size: width, num_attention_heads: heads, .. } = config;
        if width == 0 || heads == 0 || !width.is_multiple_of(heads) {
            return Err(format!("config.json: {width} numbers do not part into {heads} heads"));
        }
        let tensors = Tensors::read(tensors)?;
        let norm = |name: &str| {
            Ok::<_, String>(Norm {
                weight: tensors.get(&format!("{name}.weight"), &[width])?,
                bias: tensors.get(&format!("{name}.bias"), &[width])?,
            })
        };
        let dense = |name: &str, to: usize, from: usize| {
            Ok::<_, String>(Dense {
                weight: tensors.get(&format!("{name}.weight"), &[to, from])?,
                bias: tensors.get(&format!("{name}.bias"), &[to])?,
            })
        };
        let layer = |number: usize| {
            let at = |name: &str| format!("encoder.layer.{number}.{name}");
            let wide = config.intermediate_size;
            Ok::<_, String>(Layer {
                query: dense(&at("attention.self.query"), width, width)?,
                key: dense(&at("attention.self.key"), width, width)?,
                value: dense(&at("attention.self.value"), width, width)?,
                attended: dense(&at("attention.output.dense"), width, width)?,
                attended_norm: norm(&at("attention.output.LayerNorm"))?,
                wide: dense(&at("intermediate.dense"), wide, width)?,
                narrow: dense(&at("output.dense"), width, wide)?,
                norm: norm(&at("output.LayerNorm"))?,
            })
        };
        let mut kind = tensors.rows("embeddings.token_type_embeddings.weight", width)?;
        kind.truncate(width);
        Ok(Self {
            width,
            heads,
            epsilon: config.layer_norm_eps,
            words: tensors.rows("embeddings.word_embeddings.weight", width)?,
            positions: tensors.rows("embeddings.position_embeddings.weight", width)?,
            kind,
            norm: norm("embeddings.LayerNorm")?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
        })
    }

    pub(super) const fn dimension(&self) -> usize {
        self.width
    }

    /// The vector of a text, of length one.
    pub(super) fn encode(&self, tokens: &[u32]) -> Vec<f32> {
        let width = self.width;
        let mut x = Vec::with_capacity(tokens.len() * width);
        for (place, token) in tokens.iter().enumerate() {
            let word = self.words.get(*token as usize * width..).unwrap_or(&self.words);
            let position = self.positions.get(place * width..).unwrap_or(&self.positions);
            let sums = word.iter().zip(position).zip(&self.kind);
            x.extend(sums.take(width).map(|((word, position), kind)| word + position + kind));
        }
        self.norm.apply(&mut x, self.epsilon);
        for layer in &self.layers {
            x = self.layer(layer, &x);
        }
        let mut mean = vec![0.0; width];
        for row in x.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        let length = dot32(&mean, &mean).sqrt().max(f32::MIN_POSITIVE);
        mean.iter_mut().for_each(|number| *number /= length);
        mean
    }

    fn layer(&self, layer: &Layer, x: &[f32]) -> Vec<f32> {
        let attended = self.attend(layer, x);
        let mut after = layer.attended.apply(&attended, self.width);
        add(&mut after, x);
        layer.attended_norm.apply(&mut after, self.epsilon);
        let mut wide = layer.wide.apply(&after, self.width);
        wide.iter_mut().for_each(|number| *number = gelu(*number));
        let mut out = layer.narrow.apply(&wide, layer.wide.bias.len());
        add(&mut out, &after);
        layer.norm.apply(&mut out, self.epsilon);
        out
    }

    fn attend(&self, layer: &Layer, x: &[f32]) -> Vec<f32> {
        let (width, head) = (self.width, self.width / self.heads);
        let (query, key, value) =
            (layer.query.apply(x, width), layer.key.apply(x, width), layer.value.apply(x, width));
        let tokens = x.len() / width;
        let scale = 1.0 / (head as f32).sqrt();
        let mut out = vec![0.0; x.len()];
        let mut weights = vec![0.0; tokens];
        for at in (0..width).step_by(head) {
            let part = |of: &[f32], token: usize| -> std::ops::Range<usize> {
                debug_assert!(of.len() == tokens * width, "one row for each token");
                token * width + at..token * width + at + head
            };
            for token in 0..tokens {
                for (other, weight) in weights.iter_mut().enumerate() {
                    *weight = scale * dot32(&query[part(&query, token)], &key[part(&key, other)]);
                }
                soft_max(&mut weights);
                let into = &mut out[token * width + at..][..head];
                for (other, weight) in weights.iter().enumerate() {
                    let from = &value[part(&value, other)];
                    into.iter_mut().zip(from).for_each(|(sum, number)| *sum += weight * number);
                }
            }
        }
        out
    }
}

impl Dense {
    fn apply(&self, x: &[f32], inputs: usize) -> Vec<f32> {
        linear(x, &self.weight, &self.bias, inputs)
    }
}

impl Norm {
    fn apply(&self, x: &mut [f32], epsilon: f32) {
        let width = self.weight.len();
        for row in x.chunks_exact_mut(width) {
            let mean = row.iter().sum::<f32>() / width as f32;
            let spread = row.iter().map(|n| (n - mean).powi(2)).sum::<f32>() / width as f32;
            let scale = 1.0 / (spread + epsilon).sqrt();
            for ((number, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *number = (*number - mean) * scale * weight + bias;
            }
        }
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

fn soft_max(weights: &mut [f32]) {
    let most = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    weights.iter_mut().for_each(|weight| *weight = (*weight - most).exp());
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
}

fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Abramowitz and Stegun 7.1.26: right to 1.5e-7.
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series = 1.061_405_4_f32;
    let series = series.mul_add(t, -1.453_152);
    let series = series.mul_add(t, 1.421_413_7);
    let series = series.mul_add(t, -0.284_496_74);
    let series = series.mul_add(t, 0.254_829_6);
    (1.0 - series * t * (-x * x).exp()).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_has_the_values_of_the_tables() {
        for (x, expected) in [(0.0, 0.0), (0.5, 0.520_500), (1.0, 0.842_701), (-2.0, -0.995_322)] {
            assert!((erf(x) - expected).abs() < 1e-5, "{x}");
        }
    }
}
