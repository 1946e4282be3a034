#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

namespace akin {

// A borrowed row-major matrix [rows, cols]; row r begins at data + r * stride, stride >= cols,
// counted in elements.
template <typename T>
class MatrixView {
 public:
  MatrixView() = default;
  MatrixView(T* data, size_t rows, size_t cols) : MatrixView(data, rows, cols, cols) {}
  MatrixView(T* data, size_t rows, size_t cols, size_t stride)
      : data_(data), rows_(rows), cols_(cols), stride_(stride) {}
  // A view of mutable elements is also a view of constant ones.
  template <typename U>
    requires(std::is_const_v<T> && std::is_same_v<U, std::remove_const_t<T>>)
  MatrixView(const MatrixView<U>& other)
      : MatrixView(other.data(), other.rows(), other.cols(), other.stride()) {}

  T* data() const { return data_; }
  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }
  size_t stride() const { return stride_; }

  std::span<T> row(size_t r) const { return {data_ + r * stride_, cols_}; }
  T& operator()(size_t r, size_t c) const { return data_[r * stride_ + c]; }

  // Rows [first, first + count).
  MatrixView Rows(size_t first, size_t count) const {
    return {data_ + first * stride_, count, cols_, stride_};
  }
  // Columns [first, first + count).
  MatrixView Columns(size_t first, size_t count) const {
    return {data_ + first, rows_, count, stride_};
  }

 private:
  T* data_ = nullptr;
  size_t rows_ = 0;
  size_t cols_ = 0;
  size_t stride_ = 0;
};

}  // namespace akin
