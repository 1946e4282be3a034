//! A plug-in for Akin: BERT-family models on Candle. This file is the C interface; nothing in it
//! lets a panic out, and what goes wrong is a code and a text.

mod abi;
mod config;
pub mod error;
mod model;
mod weights;

use std::ffi::{c_char, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::Once;

use abi::*;
use error::Error;
pub use model::{Batch, Model};

/// Puts `text` into `out`, cut to fit, and NUL behind it.
fn copy_text(text: &str, out: &mut [c_char]) {
    let mut size = text.len().min(out.len() - 1);
    while !text.is_char_boundary(size) {
        size -= 1;
    }
    for (to, from) in out.iter_mut().zip(text.as_bytes()[..size].iter()) {
        *to = *from as c_char;
    }
    out[size] = 0;
}

/// Runs `body`; its error, or its panic, becomes a code and a text.
unsafe fn at_the_door(
    error: *mut akin_plugin_error,
    body: impl FnOnce() -> Result<(), Error>,
) -> i32 {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return OK,
        Ok(Err(failure)) => failure,
        Err(panic) => Error {
            code: INTERNAL,
            message: format!("a panic: {}", panic_text(panic.as_ref())),
        },
    };
    copy_text(&failure.message, &mut (*error).message);
    failure.code
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "without a text"
    }
}

unsafe extern "C" fn load(
    args: *const akin_plugin_load_args,
    model: *mut *mut akin_plugin_model,
    error: *mut akin_plugin_error,
) -> i32 {
    at_the_door(error, || {
        let args = &*args;
        let path = CStr::from_ptr(args.model_path)
            .to_str()
            .map_err(|_| Error {
                code: INVALID_INPUT,
                message: "the path of the model is not UTF-8".into(),
            })?;
        let loaded = Model::load(Path::new(path), args.num_threads.max(1) as usize)?;
        *model = Box::into_raw(Box::new(loaded)).cast();
        Ok(())
    })
}

unsafe extern "C" fn describe(
    model: *const akin_plugin_model,
    description: *mut akin_plugin_description,
    error: *mut akin_plugin_error,
) -> i32 {
    at_the_door(error, || {
        let model = &*model.cast::<Model>();
        let config = model.config();
        let out = &mut *description;
        out.input = TOKEN_IDS;
        out.rows = TOKEN_STATES;
        out.width = model.width() as i32;
        out.max_tokens = config.bert.max_position_embeddings as i32;
        out.vocab_size = config.bert.vocab_size as i32;
        out.type_vocab_size = if config.family.reads_types {
            config.bert.type_vocab_size as i32
        } else {
            0
        };
        // A call takes all of the threads.
        out.max_concurrent_calls = 1;
        out.flags = PADS;
        out.num_parameters = model.num_parameters() as i64;
        copy_text("f32", &mut out.precision);
        copy_text("cpu", &mut out.device);
        let layers = config.bert.num_hidden_layers;
        copy_text(
            &format!(
                "candle 0.11.0, {} of {layers} layers",
                config.family.model_type
            ),
            &mut out.detail,
        );
        Ok(())
    })
}

/// `len` values from `data`, which may be null when there are none.
unsafe fn values<'a>(data: *const i32, len: usize) -> &'a [i32] {
    if data.is_null() {
        &[]
    } else {
        slice::from_raw_parts(data, len)
    }
}

unsafe extern "C" fn embed(
    model: *mut akin_plugin_model,
    batch: *const akin_plugin_batch,
    output: *mut akin_plugin_output,
    error: *mut akin_plugin_error,
) -> i32 {
    at_the_door(error, || {
        let model = &*model.cast::<Model>();
        let batch = &*batch;
        let output = &mut *output;
        let ragged = Batch {
            input_ids: values(batch.input_ids, batch.num_tokens),
            token_type_ids: values(batch.token_type_ids, batch.num_tokens),
            cu_seqlens: values(batch.cu_seqlens, batch.num_sequences + 1),
        };
        let states = slice::from_raw_parts_mut(output.values, output.max_rows * model.width());
        model.embed(&ragged, states)?;
        output.num_rows = batch.num_tokens;
        output.width = model.width() as i32;
        Ok(())
    })
}

unsafe extern "C" fn close(model: *mut akin_plugin_model) {
    // There is nobody to tell of a panic.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        drop(Box::from_raw(model.cast::<Model>()))
    }));
}

static PLUGIN: akin_plugin = akin_plugin {
    abi_version: ABI_VERSION,
    struct_size: std::mem::size_of::<akin_plugin>() as u32,
    name: c"candle".as_ptr(),
    version: concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast(),
    options: ptr::null(),
    num_options: 0,
    load,
    describe,
    embed,
    health: None,
    close,
};

#[no_mangle]
pub extern "C" fn akin_plugin_entry() -> *const akin_plugin {
    static QUIET: Once = Once::new();
    // A library does not print; the hook is this library's own.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    &PLUGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> akin_plugin_error {
        akin_plugin_error { message: [0; 1024] }
    }
    fn text_of(error: &akin_plugin_error) -> &str {
        unsafe { CStr::from_ptr(error.message.as_ptr()) }
            .to_str()
            .unwrap()
    }

    #[test]
    fn a_panic_is_an_error() {
        let mut out = error();
        let code = unsafe { at_the_door(&mut out, || panic!("oh {}", "no")) };
        assert_eq!((code, text_of(&out)), (INTERNAL, "a panic: oh no"));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let mut out = [1 as c_char; 4];
        copy_text("aéé", &mut out);
        assert_eq!(
            unsafe { CStr::from_ptr(out.as_ptr()) }.to_str().unwrap(),
            "aé"
        );
        copy_text("", &mut out);
        assert_eq!(out[0], 0);
    }

    #[test]
    fn a_model_that_is_not_there_is_an_error() {
        let args = akin_plugin_load_args {
            struct_size: 0,
            num_threads: 1,
            max_batch_tokens: 512,
            model_path: c"/nowhere".as_ptr(),
            precision: c"auto".as_ptr(),
            options: ptr::null(),
            num_options: 0,
        };
        let (mut model, mut out) = (ptr::null_mut(), error());
        let code = unsafe { load(&args, &mut model, &mut out) };
        assert_eq!(code, MODEL_NOT_FOUND, "{}", text_of(&out));
        assert!(model.is_null());
    }
}
