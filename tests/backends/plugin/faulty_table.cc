// The table of faulty_plugin.cc, with the fault that AKIN_FAULT_TABLE names.
#include "akin/plugin.h"

#define AKIN_FAULT_NONE 0
#define AKIN_FAULT_VERSION 1
#define AKIN_FAULT_SIZE 2
#define AKIN_FAULT_FUNCTION 3
#define AKIN_FAULT_NAME 4
#define AKIN_FAULT_NULL 5
#define AKIN_FAULT_OPTIONS 6
#define AKIN_FAULT_ENTRY 7

extern const akin_plugin kFaultyPlugin;

#if AKIN_FAULT_TABLE == AKIN_FAULT_ENTRY
extern "C" AKIN_PLUGIN_EXPORT const akin_plugin* another_entry() { return &kFaultyPlugin; }
#else
const akin_plugin* akin_plugin_entry() {
  static akin_plugin table = kFaultyPlugin;
#if AKIN_FAULT_TABLE == AKIN_FAULT_VERSION
  table.abi_version = AKIN_PLUGIN_ABI_VERSION + 1;
#elif AKIN_FAULT_TABLE == AKIN_FAULT_SIZE
  table.struct_size = 16;
#elif AKIN_FAULT_TABLE == AKIN_FAULT_FUNCTION
  table.embed = nullptr;
#elif AKIN_FAULT_TABLE == AKIN_FAULT_NAME
  table.name = "a name with\nmore than a word";
#elif AKIN_FAULT_TABLE == AKIN_FAULT_NULL
  return nullptr;
#elif AKIN_FAULT_TABLE == AKIN_FAULT_OPTIONS
  table.options = nullptr;
#endif
  return &table;
}
#endif
