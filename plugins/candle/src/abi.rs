//! `include/akin/plugin.h` in Rust, field by field. The header says what everything means.
#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_void};
use std::mem::size_of;

pub const ABI_VERSION: u32 = 1;

pub const OK: i32 = 0;
pub const INVALID_INPUT: i32 = 3;
pub const MODEL_NOT_FOUND: i32 = 5;
pub const INVALID_MODEL: i32 = 9;
pub const UNSUPPORTED_MODEL: i32 = 12;
pub const INTERNAL: i32 = 13;

pub const TOKEN_IDS: i32 = 0;
pub const TOKEN_STATES: i32 = 1;
pub const PADS: u32 = 1;

#[repr(C)]
pub struct akin_plugin_error {
    pub message: [c_char; 1024],
}

#[repr(C)]
pub struct akin_plugin_option {
    pub name: *const c_char,
    pub value: *const c_char,
}

#[repr(C)]
pub struct akin_plugin_load_args {
    pub struct_size: u32,
    pub num_threads: i32,
    pub max_batch_tokens: i32,
    pub model_path: *const c_char,
    pub precision: *const c_char,
    pub options: *const akin_plugin_option,
    pub num_options: usize,
}

#[repr(C)]
pub struct akin_plugin_description {
    pub struct_size: u32,
    pub input: i32,
    pub rows: i32,
    pub width: i32,
    pub max_tokens: i32,
    pub vocab_size: i32,
    pub type_vocab_size: i32,
    pub max_concurrent_calls: i32,
    pub flags: u32,
    pub num_parameters: i64,
    pub precision: [c_char; 16],
    pub device: [c_char; 48],
    pub detail: [c_char; 256],
}

#[repr(C)]
pub struct akin_plugin_batch {
    pub struct_size: u32,
    pub num_sequences: usize,
    pub num_tokens: usize,
    pub input_ids: *const i32,
    pub token_type_ids: *const i32,
    pub cu_seqlens: *const i32,
    pub texts: *const c_void,
}

#[repr(C)]
pub struct akin_plugin_output {
    pub struct_size: u32,
    pub values: *mut f32,
    pub max_rows: usize,
    pub num_rows: usize,
    pub width: i32,
}

/// The plug-in's own; behind the pointer is a `crate::model::Model`.
pub enum akin_plugin_model {}

#[repr(C)]
pub struct akin_plugin {
    pub abi_version: u32,
    pub struct_size: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub options: *const akin_plugin_option,
    pub num_options: usize,
    pub load: unsafe extern "C" fn(
        *const akin_plugin_load_args,
        *mut *mut akin_plugin_model,
        *mut akin_plugin_error,
    ) -> i32,
    pub describe: unsafe extern "C" fn(
        *const akin_plugin_model,
        *mut akin_plugin_description,
        *mut akin_plugin_error,
    ) -> i32,
    pub embed: unsafe extern "C" fn(
        *mut akin_plugin_model,
        *const akin_plugin_batch,
        *mut akin_plugin_output,
        *mut akin_plugin_error,
    ) -> i32,
    pub health: Option<unsafe extern "C" fn(*mut akin_plugin_model, *mut akin_plugin_error) -> i32>,
    pub close: unsafe extern "C" fn(*mut akin_plugin_model),
}

// The pointers in it lead to constants.
unsafe impl Sync for akin_plugin {}

// The sizes that tests/backends/plugin/plugin_abi_test.cc finds in the header.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<akin_plugin_error>() == 1024);
    assert!(size_of::<akin_plugin_option>() == 16);
    assert!(size_of::<akin_plugin_load_args>() == 48);
    assert!(size_of::<akin_plugin_description>() == 368);
    assert!(size_of::<akin_plugin_batch>() == 56);
    assert!(size_of::<akin_plugin_output>() == 40);
    assert!(size_of::<akin_plugin>() == 80);
};
