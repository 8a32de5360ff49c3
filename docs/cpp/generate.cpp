// Generate showers of one energy with an exported model, and print the mean energy of each layer.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <sstream>

#include "shower_generator.hpp"

namespace {

constexpr auto usage =
    "usage: generate MODEL.onnx -n N --energy MEV [--layers CELLS,CELLS,...] [--seed SEED]\n"
    "                [--batch SHOWERS] [--threads THREADS] [--noise FILE] [--cells FILE]\n"
    "  --layers  cells of each layer, such as 288,144,72; without, all cells are one layer\n"
    "  --noise   take the noise from this file: N x latent raw float32\n"
    "  --cells   write the cells to this file: N x cells raw float32\n";

using Options = std::map<std::string, std::string>;

Options read(int argc, char** argv) {
  Options given{{"-n", ""},      {"--energy", ""},   {"--layers", ""}, {"--seed", "0"},
                {"--batch", "1"}, {"--threads", "1"}, {"--noise", ""},  {"--cells", ""}};
  for (int k = 2; k < argc; k += 2) {
    if (k + 1 == argc || given.count(argv[k]) == 0) {
      throw std::invalid_argument(std::string("'") + argv[k] + "' is no option with a value");
    }
    given[argv[k]] = argv[k + 1];
  }
  return given;
}

// Read a number that is `low` at least.
template <typename Number>
Number number(const std::string& text, Number low) {
  std::istringstream rest(text);
  Number value{};
  if (!(rest >> value) || rest.peek() != EOF || value < low) {
    throw std::invalid_argument("'" + text + "' is not a number that fits");
  }
  return value;
}

std::size_t count(const std::string& text) {
  return static_cast<std::size_t>(number<std::int64_t>(text, 1));
}

std::vector<std::size_t> layers(const std::string& text, std::size_t cells) {
  std::vector<std::size_t> sizes;
  std::istringstream rest(text);
  for (std::string size; std::getline(rest, size, ',');) sizes.push_back(count(size));
  if (sizes.empty()) sizes = {cells};
  std::size_t sum = 0;
  for (const auto size : sizes) sum += size;
  if (sum != cells) throw std::invalid_argument("a shower has " + std::to_string(cells) + " cells");
  return sizes;
}

std::vector<float> draw(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> noise(size);
  for (auto& number : noise) number = normal(engine);
  return noise;
}

std::vector<float> load(const std::string& path, std::size_t size) {
  std::vector<float> noise(size);
  const auto bytes = static_cast<std::streamsize>(size * sizeof(float));
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(noise.data()), bytes) || file.peek() != EOF) {
    throw std::runtime_error(path + " does not hold " + std::to_string(size) + " float32");
  }
  return noise;
}

void save(const std::string& path, const std::vector<float>& cells) {
  const auto bytes = static_cast<std::streamsize>(cells.size() * sizeof(float));
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(cells.data()), bytes);
  if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}

// Print the mean energy of each layer with its standard error, in the detector's unit.
void summarise(const std::vector<float>& cells, const std::vector<std::size_t>& sizes,
               std::size_t n) {
  const auto width = cells.size() / n;
  std::size_t begin = 0;
  for (std::size_t layer = 0; layer < sizes.size(); begin += sizes[layer++]) {
    double sum = 0, squares = 0;
    for (std::size_t shower = 0; shower < n; ++shower) {
      const auto* first = cells.data() + shower * width + begin;
      double energy = 0;
      for (std::size_t k = 0; k < sizes[layer]; ++k) energy += first[k];
      sum += energy;
      squares += energy * energy;
    }
    const double mean = sum / static_cast<double>(n);
    const double variance = std::max(squares / static_cast<double>(n) - mean * mean, 0.0);
    const double error = n > 1 ? std::sqrt(variance / static_cast<double>(n - 1)) : NAN;
    std::printf("layer %zu: %.6g +- %.2g\n", layer, mean, error);
  }
}

void run(const std::string& model, const Options& given) {
  const auto n = count(given.at("-n")), batch = count(given.at("--batch"));
  const auto energy = number<float>(given.at("--energy"), 0);
  ShowerGenerator showers(model, static_cast<int>(count(given.at("--threads"))));
  const auto sizes = layers(given.at("--layers"), showers.cells());
  const auto latent = showers.latent();
  const auto& file = given.at("--noise");
  const auto seed = number<std::uint64_t>(given.at("--seed"), 0);
  const auto noise = file.empty() ? draw(n * latent, seed) : load(file, n * latent);
  std::vector<float> cells;
  cells.reserve(n * showers.cells());
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t first = 0; first < n; first += batch) {
    const auto last = std::min(first + batch, n);
    std::vector<float> part(noise.data() + first * latent, noise.data() + last * latent);
    std::vector<float> energies(last - first, energy);
    const auto made = showers.generate(part, energies);
    cells.insert(cells.end(), made.begin(), made.end());
  }
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - begin;
  summarise(cells, sizes, n);
  std::printf("%zu showers, %.4g ms each\n", n, spent.count() / static_cast<double>(n));
  if (!given.at("--cells").empty()) save(given.at("--cells"), cells);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::invalid_argument("no model");
    run(argv[1], read(argc, argv));
  } catch (const std::invalid_argument& error) {
    std::cerr << "generate: " << error.what() << "\n" << usage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "generate: " << error.what() << "\n";
    return 1;
  }
}
