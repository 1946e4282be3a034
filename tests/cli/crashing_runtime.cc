// Stands in for an ONNX Runtime that a model's file brings down: to load it is to die.
#include <cstdlib>

extern "C" const void* OrtGetApiBase() { std::abort(); }
