//! A loaded model: a ragged batch of token ids in, the last layer's states out.
//!
//! Candle computes rectangles, so that sequences are padded to the longest beside them; the states
//! of padded places are left out. They take no part in the others': their scores are the least
//! number of f32, whose exponential beside any other is 0.

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::bert::{BertModel, HiddenAct, DTYPE};
use candle_transformers::models::xlm_roberta::{self, XLMRobertaModel};
use serde_json::Value;

use crate::abi;
use crate::config::{self, ModelConfig};
use crate::error::{invalid_model, Error, Result};
use crate::weights;

pub struct Model {
    config: ModelConfig,
    encoder: Encoder,
    num_parameters: usize,
    /// Candle's own are one for the whole process; this is how many Akin grants.
    threads: rayon::ThreadPool,
}

/// Candle's two encoders of the family: RoBERTa's counts positions over the tokens that are not
/// padding, also where a text holds one.
enum Encoder {
    Bert(BertModel),
    Roberta(XLMRobertaModel),
}

impl Encoder {
    fn load(variables: VarBuilder, config: &ModelConfig) -> candle_core::Result<Encoder> {
        if !config.family.shifts_positions {
            return Ok(Encoder::Bert(BertModel::load(variables, &config.bert)?));
        }
        let bert = &config.bert;
        let roberta = xlm_roberta::Config {
            hidden_size: bert.hidden_size,
            layer_norm_eps: bert.layer_norm_eps,
            attention_probs_dropout_prob: 0.0,
            hidden_dropout_prob: 0.0,
            num_attention_heads: bert.num_attention_heads,
            position_embedding_type: "absolute".into(),
            intermediate_size: bert.intermediate_size,
            hidden_act: match bert.hidden_act {
                HiddenAct::Gelu => Activation::Gelu,
                HiddenAct::GeluApproximate => Activation::NewGelu,
                HiddenAct::Relu => Activation::Relu,
            },
            num_hidden_layers: bert.num_hidden_layers,
            vocab_size: bert.vocab_size,
            max_position_embeddings: config.first_position + bert.max_position_embeddings,
            type_vocab_size: bert.type_vocab_size,
            pad_token_id: bert.pad_token_id as u32,
        };
        Ok(Encoder::Roberta(XLMRobertaModel::new(&roberta, variables)?))
    }

    fn forward(&self, ids: &Tensor, types: &Tensor, mask: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Encoder::Bert(bert) => bert.forward(ids, types, Some(mask)),
            Encoder::Roberta(roberta) => roberta.forward(ids, mask, types, None, None, None),
        }
    }
}

/// Sequences end to end.
pub struct Batch<'a> {
    pub input_ids: &'a [i32],
    /// Empty: all 0.
    pub token_type_ids: &'a [i32],
    pub cu_seqlens: &'a [i32],
}

impl Batch<'_> {
    fn num_sequences(&self) -> usize {
        self.cu_seqlens.len() - 1
    }
    fn range(&self, sequence: usize) -> std::ops::Range<usize> {
        self.cu_seqlens[sequence] as usize..self.cu_seqlens[sequence + 1] as usize
    }
}

impl Model {
    pub fn load(folder: &Path, num_threads: usize) -> Result<Model> {
        let folder = transformer_folder(folder);
        let json = std::fs::read_to_string(folder.join("config.json")).map_err(|error| Error {
            code: abi::MODEL_NOT_FOUND,
            message: format!("config.json: {error}"),
        })?;
        let config = config::parse(&json)?;
        let weights = weights::load(&folder, &config)?;
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(num_threads)
            .build()
            .map_err(|error| Error {
                code: abi::INTERNAL,
                message: error.to_string(),
            })?;
        let num_parameters = weights.values().map(Tensor::elem_count).sum();
        let variables = VarBuilder::from_tensors(weights, DTYPE, &Device::Cpu);
        let encoder =
            Encoder::load(variables, &config).map_err(|error| invalid_model(error.to_string()))?;
        Ok(Model {
            config,
            encoder,
            num_parameters,
            threads,
        })
    }

    pub fn config(&self) -> &ModelConfig {
        &self.config
    }
    pub fn num_parameters(&self) -> usize {
        self.num_parameters
    }
    pub fn width(&self) -> usize {
        self.config.bert.hidden_size
    }

    /// Fills `states` [num_tokens, width].
    pub fn embed(&self, batch: &Batch, states: &mut [f32]) -> Result<()> {
        self.threads.install(|| self.forward(batch, states))
    }

    fn forward(&self, batch: &Batch, states: &mut [f32]) -> Result<()> {
        let rows = batch.num_sequences();
        let longest = (0..rows).map(|s| batch.range(s).len()).max().unwrap_or(0);
        let padded = rows * longest;
        let mut ids = vec![self.config.bert.pad_token_id as u32; padded];
        let mut types = vec![0u32; padded];
        let mut mask = vec![0u32; padded];
        for s in 0..rows {
            let tokens = batch.range(s);
            let row = s * longest..s * longest + tokens.len();
            mask[row.clone()].fill(1);
            for (to, from) in ids[row.clone()]
                .iter_mut()
                .zip(&batch.input_ids[tokens.clone()])
            {
                *to = *from as u32;
            }
            if self.config.family.reads_types && !batch.token_type_ids.is_empty() {
                for (to, from) in types[row].iter_mut().zip(&batch.token_type_ids[tokens]) {
                    *to = *from as u32;
                }
            }
        }
        let tensor = |values: Vec<u32>| Tensor::from_vec(values, (rows, longest), &Device::Cpu);
        let hidden = self
            .encoder
            .forward(&tensor(ids)?, &tensor(types)?, &tensor(mask)?)?;
        let hidden = hidden.flatten_all()?.to_vec1::<f32>()?;
        let width = self.width();
        for s in 0..rows {
            let tokens = batch.range(s);
            let from = s * longest * width;
            states[tokens.start * width..tokens.end * width]
                .copy_from_slice(&hidden[from..from + tokens.len() * width]);
        }
        Ok(())
    }
}

/// The folder itself, or the one in it that modules.json gives to the transformer.
fn transformer_folder(folder: &Path) -> PathBuf {
    let path = std::fs::read_to_string(folder.join("modules.json"))
        .ok()
        .and_then(|json| serde_json::from_str::<Value>(&json).ok())
        .and_then(|modules| Some(modules.get(0)?.get("path")?.as_str()?.to_string()));
    match path {
        // Nothing outside of the folder is read.
        Some(path)
            if Path::new(&path).components().count() == 1 && !path.starts_with(['.', '/']) =>
        {
            folder.join(path)
        }
        _ => folder.to_path_buf(),
    }
}
