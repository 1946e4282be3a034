// The methods of TEI's `tei.v1` and of AkiDB's `akidb.embedding.v1`.
#pragma once

#include <vector>

#include "server/grpc/services.h"

namespace akin::server {

// They call `operations`, which outlives them.
std::vector<Method> ModelMethods(GrpcOperations& operations);

}  // namespace akin::server
