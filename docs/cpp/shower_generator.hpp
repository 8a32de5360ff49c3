// Showers from a file of `phys-gan export MODEL OUT.onnx --target generic`.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

class ShowerGenerator {
 public:
  explicit ShowerGenerator(const std::filesystem::path& model, int threads = 1)
      : session_(env_, model.c_str(), options(threads)) {
    Ort::AllocatorWithDefaultOptions allocator;
    for (std::size_t k = 0; k < session_.GetInputCount(); ++k) {
      const std::string name = session_.GetInputNameAllocated(k, allocator).get();
      const auto width = last(session_.GetInputTypeInfo(k));
      if (name == "noise") {
        latent_ = width;
      } else if (name != "energy" || width != 1) {
        throw std::runtime_error("the model asks for '" + name + "', not for energies alone");
      }
    }
    cells_ = last(session_.GetOutputTypeInfo(0));
    if (session_.GetInputCount() != 2 || latent_ == 0 || cells_ == 0) {
      throw std::runtime_error("the model is not one of --target generic");
    }
  }

  // Standard normal numbers that a shower is made from.
  std::size_t latent() const { return latent_; }

  // Cells of a shower: layer by layer, each with its last axis fastest.
  std::size_t cells() const { return cells_; }

  // Return cells() numbers for each of the N incident kinetic energies [MeV], from noise of
  // N * latent() standard normal numbers. Energies beyond the model's range are taken for its
  // edge.
  std::vector<float> generate(std::vector<float>& noise, std::vector<float>& energy) {
    const auto n = energy.size();
    if (noise.size() != n * latent_) throw std::invalid_argument("noise is not N x latent numbers");
    std::array inputs{tensor(noise, n, latent_), tensor(energy, n, 1)};
    std::vector<float> found(n * cells_);
    auto output = tensor(found, n, cells_);
    constexpr std::array asked{"noise", "energy"};
    constexpr std::array given{"cells"};
    session_.Run(Ort::RunOptions{nullptr}, asked.data(), inputs.data(), inputs.size(),
                 given.data(), &output, given.size());
    return found;
  }

 private:
  static Ort::SessionOptions options(int threads) {
    Ort::SessionOptions chosen;
    chosen.SetIntraOpNumThreads(threads);
    return chosen;
  }

  // Size of the last axis; that of the first is the number of showers, which is free.
  static std::size_t last(const Ort::TypeInfo& info) {
    const auto shape = info.GetTensorTypeAndShapeInfo().GetShape();
    return shape.size() == 2 && shape[1] > 0 ? static_cast<std::size_t>(shape[1]) : 0;
  }

  // A view of the numbers, not a copy: ONNX Runtime writes the cells where they are wanted.
  static Ort::Value tensor(std::vector<float>& numbers, std::size_t rows, std::size_t columns) {
    const std::array shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    return Ort::Value::CreateTensor<float>(memory, numbers.data(), numbers.size(), shape.data(),
                                           shape.size());
  }

  Ort::Env env_{ORT_LOGGING_LEVEL_WARNING, "phys_gan"};
  Ort::Session session_;
  std::size_t latent_ = 0, cells_ = 0;
};
