// Least weights of words over GF(2), rows packed into 64-bit words. bitket.algebra.codewords says what each function computes and
// holds a twin in NumPy.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <optional>
#include <vector>

#include "meet.hpp"

namespace nb = nanobind;
using Word = uint64_t;
using Rows = nb::ndarray<const Word, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Found = std::pair<int, std::vector<Word>>;  // weight, word; weight is the bound given where nothing lighter was found

namespace {

inline int ones(Word w) { return __builtin_popcountll(w); }

int weight(const Word* word, size_t width) {
  int total = 0;
  for (size_t w = 0; w < width; ++w) total += ones(word[w]);
  return total;
}

bool any(const Word* word, size_t width) {
  for (size_t w = 0; w < width; ++w)
    if (word[w]) return true;
  return false;
}

void add(Word* target, const Word* source, size_t width) {
  for (size_t w = 0; w < width; ++w) target[w] ^= source[w];
}

// Least weight of table[w][j] ^ base[w] over begin <= j < end; table has `stride` entries a plane.
inline __attribute__((always_inline)) int scan_any(const Word* table, size_t stride, size_t begin, size_t end, const Word* base, size_t width) {
  Word least = ~Word(0);
  if (width == 1) {
    const Word b = base[0];
    for (size_t j = begin; j < end; ++j) {
      const Word c = Word(__builtin_popcountll(table[j] ^ b));
      least = c < least ? c : least;
    }
  } else if (width == 2) {
    const Word b = base[0], c = base[1];
    const Word* second = table + stride;
    for (size_t j = begin; j < end; ++j) {
      const Word s = Word(__builtin_popcountll(table[j] ^ b)) + Word(__builtin_popcountll(second[j] ^ c));
      least = s < least ? s : least;
    }
  } else {
    for (size_t j = begin; j < end; ++j) {
      Word s = 0;
      for (size_t w = 0; w < width; ++w) s += Word(__builtin_popcountll(table[w * stride + j] ^ base[w]));
      least = s < least ? s : least;
    }
  }
  return least > Word(INT32_MAX) ? INT32_MAX : int(least);
}

// The loop is compiled for processors with vector popcount, with popcount, and with neither; one is picked at import.
using Scan = int (*)(const Word*, size_t, size_t, size_t, const Word*, size_t);
#define BITKET_SCAN(name, attributes)                                                                          \
  attributes int name(const Word* t, size_t stride, size_t begin, size_t end, const Word* b, size_t width) {    \
    return scan_any(t, stride, begin, end, b, width);                                                          \
  }
BITKET_SCAN(scan_generic, )
#if defined(__x86_64__)
BITKET_SCAN(scan_popcount, __attribute__((target("popcnt"))))
BITKET_SCAN(scan_vector, __attribute__((target("avx512f,avx512vl,avx512vpopcntdq,prefer-vector-width=512"))))
Scan pick() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512vl")) return scan_vector;
  return __builtin_cpu_supports("popcnt") ? scan_popcount : scan_generic;
}
const Scan scan = pick();
#else
const Scan scan = scan_generic;
#endif

// All sums of rows[0..], the first `gauge` rows alone excepted, in Gray-code order above a table of the sums of the first rows.
Found enumerate(Rows rows, int gauge, int bound) {
  const int count = int(rows.shape(0));
  const size_t width = rows.shape(1);
  const Word* data = rows.data();
  Found found{bound, {}};
  nb::gil_scoped_release free;
  const int low = std::min(count, width > 2 ? 8 : 10);
  const size_t size = size_t(1) << low;
  std::vector<Word> table(width * size, 0), base(width, 0);
  for (int bit = 0; bit < low; ++bit)
    for (size_t w = 0; w < width; ++w)
      for (size_t j = 0; j < (size_t(1) << bit); ++j)
        table[w * size + (size_t(1) << bit) + j] = table[w * size + j] ^ data[bit * width + w];
  const Word blocks = Word(1) << (count - low);
  const Word first = gauge > low ? Word(1) << (gauge - low) : (gauge == low && count > low ? 1 : 0);
  const Word code = first ^ (first >> 1);
  for (int bit = 0; bit < count - low; ++bit)
    if (code >> bit & 1) add(base.data(), data + (low + bit) * width, width);
  for (Word block = first; block < blocks; ++block) {
    const size_t begin = block == 0 ? std::min(size, size_t(1) << std::min(gauge, low)) : 0;
    if (block != first) add(base.data(), data + (low + __builtin_ctzll(block)) * width, width);
    if (begin == size || scan(table.data(), size, begin, size, base.data(), width) >= found.first) continue;
    for (size_t j = begin; j < size; ++j) {
      int total = 0;
      for (size_t w = 0; w < width; ++w) total += ones(table[w * size + j] ^ base[w]);
      if (total >= found.first) continue;
      found.first = total;
      found.second.assign(width, 0);
      for (size_t w = 0; w < width; ++w) found.second[w] = table[w * size + j] ^ base[w];
    }
  }
  return found;
}

// Sums of exactly `terms` rows whose labels do not cancel, for Brouwer and Zimmermann.
struct Combinations {
  const Word *rows, *labels;
  std::vector<Word> table;
  size_t count, width, label_width;
  std::vector<std::vector<Word>> sums, marks;
  Found found;

  void go(size_t terms, size_t start) {
    const Word *sum = sums[terms].data(), *mark = marks[terms].data();
    if (terms == 1) {
      if (scan(table.data(), count, start, count, sum, width) >= found.first) return;
      for (size_t j = start; j < count; ++j) {
        int total = 0;
        bool outside = false;
        for (size_t w = 0; w < width; ++w) total += ones(rows[j * width + w] ^ sum[w]);
        if (total >= found.first) continue;
        for (size_t w = 0; w < label_width; ++w) outside |= (labels[j * label_width + w] ^ mark[w]) != 0;
        if (!outside) continue;
        found.first = total;
        found.second.assign(sum, sum + width);
        add(found.second.data(), rows + j * width, width);
      }
      return;
    }
    for (size_t j = start; j + terms <= count; ++j) {
      sums[terms - 1] = sums[terms];
      marks[terms - 1] = marks[terms];
      add(sums[terms - 1].data(), rows + j * width, width);
      add(marks[terms - 1].data(), labels + j * label_width, label_width);
      go(terms - 1, j + 1);
    }
  }
};

Found combinations(Rows rows, Rows labels, int terms, int bound) {
  Combinations c{rows.data(), labels.data(), {}, rows.shape(0), rows.shape(1), labels.shape(1), {}, {}, {bound, {}}};
  nb::gil_scoped_release free;
  if (terms < 1 || size_t(terms) > c.count) return c.found;
  c.table.resize(c.count * c.width);
  for (size_t j = 0; j < c.count; ++j)
    for (size_t w = 0; w < c.width; ++w) c.table[w * c.count + j] = c.rows[j * c.width + w];
  c.sums.assign(terms + 1, std::vector<Word>(c.width, 0));
  c.marks.assign(terms + 1, std::vector<Word>(c.label_width, 0));
  c.go(size_t(terms), 0);
  return c.found;
}

// Random information sets: eliminate in a random order of the columns and look at all rows and sums of two rows.
// Returns weight, word, and the number of trials that met the weight.
nb::tuple information_sets(Rows rows, Rows labels, int columns, int trials, Word seed, int bound) {
  const size_t count = rows.shape(0), width = rows.shape(1), marks = labels.shape(1), both = width + marks;
  Found found{bound, {}};
  int hits = 0;
  {
    const Word *data = rows.data(), *label = labels.data();
    nb::gil_scoped_release free;
    std::vector<Word> work(count * both);
    for (size_t r = 0; r < count; ++r) {
      std::memcpy(&work[r * both], data + r * width, width * sizeof(Word));
      std::memcpy(&work[r * both + width], label + r * marks, marks * sizeof(Word));
    }
    std::vector<int> order(columns);
    std::iota(order.begin(), order.end(), 0);
    std::vector<Word> swap(both);
    Word state = seed;
    auto next = [&state] {  // splitmix64
      Word z = (state += 0x9e3779b97f4a7c15ull);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
      return z ^ (z >> 31);
    };
    for (int trial = 0; trial < trials; ++trial) {
      for (int c = columns - 1; c > 0; --c) std::swap(order[c], order[next() % Word(c + 1)]);
      size_t rank = 0;
      for (int c : order) {
        if (rank == count) break;
        const size_t word = size_t(c) / 64;
        const Word bit = Word(1) << (c % 64);
        size_t pivot = rank;
        while (pivot < count && !(work[pivot * both + word] & bit)) ++pivot;
        if (pivot == count) continue;
        if (pivot != rank) {
          std::memcpy(swap.data(), &work[pivot * both], both * sizeof(Word));
          std::memcpy(&work[pivot * both], &work[rank * both], both * sizeof(Word));
          std::memcpy(&work[rank * both], swap.data(), both * sizeof(Word));
        }
        for (size_t r = 0; r < count; ++r)
          if (r != rank && (work[r * both + word] & bit)) add(&work[r * both], &work[rank * both], both);
        ++rank;
      }
      int best = INT32_MAX;
      for (size_t a = 0; a < count; ++a) {
        const Word* x = &work[a * both];
        for (size_t b = a; b < count; ++b) {
          const Word* y = &work[b * both];
          int total = 0;
          for (size_t w = 0; w < width; ++w) total += ones(a == b ? x[w] : x[w] ^ y[w]);
          if (total >= best || total > found.first) continue;
          bool outside = false;
          for (size_t w = width; w < both; ++w) outside |= (a == b ? x[w] : x[w] ^ y[w]) != 0;
          if (!outside) continue;
          best = total;
          if (total < found.first || found.second.empty()) {
            if (total < found.first) hits = 0;
            found.first = total;
            found.second.assign(x, x + width);
            if (a != b) add(found.second.data(), y, width);
          }
        }
      }
      hits += best == found.first;
    }
  }
  return nb::make_tuple(found.first, found.second, hits);
}

// Depth-first search of irreducible words of the kernel of a sparse matrix: the next column lies in a check that is not satisfied.
struct Clusters {
  const std::vector<std::vector<int>> &checks, &columns;
  const Word* labels;
  size_t label_width;
  Word budget, nodes = 0;
  std::vector<char> unsatisfied, barred;
  std::vector<int> chosen, open;      // columns of the word; checks that are not satisfied
  std::vector<int> place;             // where a check is in `open`
  std::vector<Word> mark;
  size_t most_column = 1;

  void toggle(int column) {
    for (int c : columns[column]) {
      if (unsatisfied[c] ^= 1) {
        place[c] = int(open.size());
        open.push_back(c);
      } else {
        const int last = open.back();
        open[place[c]] = last;
        place[last] = place[c];
        open.pop_back();
      }
    }
    add(mark.data(), labels + size_t(column) * label_width, label_width);
  }

  bool go(int left) {  // true: found, `chosen` holds the word
    if (++nodes > budget) return false;
    if (open.empty()) return any(mark.data(), label_width);
    if (open.size() > size_t(left) * most_column) return false;
    int best = -1;
    size_t fewest = SIZE_MAX;
    for (int c : open) {
      size_t available = 0;
      for (int v : checks[c]) available += !barred[v];
      if (available < fewest) fewest = available, best = c;
      if (fewest == 0) return false;
    }
    std::vector<int> tried;
    bool hit = false;
    for (int v : checks[best]) {
      if (barred[v]) continue;
      barred[v] = 1;
      tried.push_back(v);
      toggle(v);
      chosen.push_back(v);
      hit = go(left - 1);
      if (hit) return true;
      chosen.pop_back();
      toggle(v);
      if (nodes > budget) break;
    }
    for (int v : tried) barred[v] = 0;
    return false;
  }
};

// Least weight below `bound`, its columns, and whether the search ended within `budget` nodes.
nb::tuple clusters(const std::vector<std::vector<int>>& checks, const std::vector<std::vector<int>>& columns, Rows labels,
                   int bound, Word budget) {
  Clusters s{checks, columns, labels.data(), labels.shape(1), budget};
  int weight = bound;
  std::vector<int> word;
  {
    nb::gil_scoped_release free;
    const size_t n = columns.size();
    for (const auto& c : columns) s.most_column = std::max(s.most_column, c.size());
    for (int most = 1; most < bound && weight == bound && s.nodes <= budget; ++most) {
      s.unsatisfied.assign(checks.size(), 0);
      s.place.assign(checks.size(), 0);
      s.barred.assign(n, 0);
      s.mark.assign(s.label_width, 0);
      s.open.clear();
      for (size_t first = 0; first < n && s.nodes <= budget; ++first) {
        s.barred[first] = 1;  // and stays: the word's first column is the least
        s.toggle(int(first));
        s.chosen.assign(1, int(first));
        if (s.go(most - 1)) {
          weight = int(s.chosen.size());
          word = s.chosen;
          break;
        }
        s.toggle(int(first));
      }
    }
  }
  return nb::make_tuple(weight, word, s.nodes <= budget);
}

// Least number of columns, at most `most`, whose syndromes cancel and whose labels do not, and these columns.
nb::tuple meet_in_the_middle(Rows syndromes, Rows labels, int most) {
  int weight = 0;
  std::vector<int> word;
  {
    nb::gil_scoped_release free;
    meet::Search search(syndromes.data(), labels.data(), syndromes.shape(0), syndromes.shape(1), labels.shape(1));
    weight = search.run(most);
    word = search.word;
  }
  return nb::make_tuple(weight, word);
}

// All sums of a few words.
std::vector<Word> sums(const Word* words, int k) {
  std::vector<Word> table(size_t(1) << k, 0);
  for (int b = 0; b < k; ++b)
    for (size_t j = 0; j < (size_t(1) << b); ++j) table[(size_t(1) << b) + j] = table[j] ^ words[b];
  return table;
}

// A Tanner graph of at most 64 checks and 64 bits: rank, least weight of the kernel (0 where it is {0}), and for each edge
// whether toggling it keeps the rank. `after`: the least weight once it is toggled, for independent checks and kernels of at most
// 2^16 words.
nb::tuple tanner(nb::ndarray<const Word, nb::ndim<1>, nb::c_contig, nb::device::cpu> matrix, int columns,
                 nb::ndarray<bool, nb::ndim<2>, nb::c_contig, nb::device::cpu> keeps,
                 std::optional<nb::ndarray<int, nb::ndim<2>, nb::c_contig, nb::device::cpu>> after) {
  const int rows = int(matrix.shape(0));
  Word work[64], added[64], kernel[64];
  int pivot_of[64];  // row of each column's pivot, or -1
  std::fill(pivot_of, pivot_of + 64, -1);
  for (int r = 0; r < rows; ++r) work[r] = matrix.data()[r], added[r] = Word(1) << r;
  int rank = 0;
  for (int c = 0; c < columns && rank < rows; ++c) {
    const Word bit = Word(1) << c;
    int p = rank;
    while (p < rows && !(work[p] & bit)) ++p;
    if (p == rows) continue;
    std::swap(work[p], work[rank]);
    std::swap(added[p], added[rank]);
    for (int r = 0; r < rows; ++r)
      if (r != rank && (work[r] & bit)) work[r] ^= work[rank], added[r] ^= added[rank];
    pivot_of[c] = rank++;
  }
  int k = 0;
  for (int c = 0; c < columns; ++c) {
    if (pivot_of[c] >= 0) continue;
    Word v = Word(1) << c;
    for (int p = 0; p < columns; ++p)
      if (pivot_of[p] >= 0 && (work[pivot_of[p]] >> c & 1)) v |= Word(1) << p;
    kernel[k++] = v;
  }
  int distance = 0;
  const bool ahead = after && k && rank == rows;
  const int low = std::min(k, ahead ? 16 : 10);
  if (k) {
    distance = 64;
    const std::vector<Word> table = sums(kernel, low);
    Word base = 0;
    for (Word block = 0; block < (Word(1) << (k - low)); ++block) {
      if (block) base ^= kernel[low + __builtin_ctzll(block)];
      distance = std::min(distance, scan(table.data(), table.size(), block == 0, table.size(), &base, 1));
    }
    if (ahead) {
      // Toggling (c, v): words of the code without v stay, those with H x = e_c and v come. `met[w]`: bits met in words of weight w.
      const Word all = columns == 64 ? ~Word(0) : (Word(1) << columns) - 1;
      const auto least = [&](const Word* met, int v) {
        for (int w = 1; w <= columns; ++w)
          if (met[w] >> v & 1) return w;
        return columns + 1;
      };
      Word without[65] = {};
      for (size_t j = 1; j < table.size(); ++j) without[ones(table[j])] |= all & ~table[j];
      int stays[64];
      for (int v = 0; v < columns; ++v) stays[v] = least(without, v);
      for (int c = 0; c < rows; ++c) {
        Word leader = 0;
        for (int p = 0; p < columns; ++p)
          if (pivot_of[p] >= 0) leader |= (added[pivot_of[p]] >> c & 1) << p;
        Word with[65] = {};
        for (const Word word : table) with[ones(word ^ leader)] |= word ^ leader;
        for (int v = 0; v < columns; ++v) (*after)(c, v) = std::min(stays[v], least(with, v));
      }
    }
  }
  // rank(A + u v^T): one more where u and v lie outside the column and row space, one less where both lie inside and 1 + v^T A^- u = 0.
  Word left = 0;
  for (int r = rank; r < rows; ++r) left |= added[r];
  for (int v = 0; v < columns; ++v) {
    const int p = pivot_of[v];
    const bool inside = p >= 0 && work[p] == Word(1) << v;
    for (int c = 0; c < rows; ++c)
      keeps(c, v) = inside ? (left >> c & 1) || !(added[p] >> c & 1) : !(left >> c & 1);
  }
  return nb::make_tuple(rank, distance);
}

}  // namespace

NB_MODULE(_codewords, m) {
  m.def("enumerate", &enumerate, nb::arg("rows"), nb::arg("gauge"), nb::arg("bound"));
  m.def("combinations", &combinations, nb::arg("rows"), nb::arg("labels"), nb::arg("terms"), nb::arg("bound"));
  m.def("information_sets", &information_sets, nb::arg("rows"), nb::arg("labels"), nb::arg("columns"), nb::arg("trials"),
        nb::arg("seed"), nb::arg("bound"));
  m.def("clusters", &clusters, nb::arg("checks"), nb::arg("columns"), nb::arg("labels"), nb::arg("bound"), nb::arg("budget"));
  m.def("meet_in_the_middle", &meet_in_the_middle, nb::arg("syndromes"), nb::arg("labels"), nb::arg("most"));
  m.def("tanner", &tanner, nb::arg("matrix"), nb::arg("columns"), nb::arg("keeps"),
        nb::arg("after").none());
}
