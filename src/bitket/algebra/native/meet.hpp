// Meet in the middle: a table of the sums of t columns by syndrome, and the sums of t or t + 1 columns looked up in it.
//
// A slot is 16 bytes: a linear hash of the syndrome and the columns, packed as a number in base n. Where hashes agree, syndromes and labels
// are added up again, so nothing is missed or taken for a word that is none. Sums that agree in both are held once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace meet {

using Word = uint64_t;

struct Search {
  const Word *syndromes, *labels;  // [n, width], [n, marks]
  size_t n, width, marks;
  std::vector<Word> hashes;  // of the columns; the hash of a sum is the sum of the hashes
  struct Slot {
    Word key, id;  // key 0: empty
  };
  std::vector<Slot> table;
  int shift = 0;             // a key's slot is its highest bits
  std::vector<Word> filter;  // a bit for each key that is held, by its low bits: most sums that are not held stop here, in the cache
  Word mask = 0;
  std::vector<Slot> waiting;  // sums whose slots are on the way from memory
  std::vector<Word> first, second;
  std::vector<int> word;

  Search(const Word* s, const Word* l, size_t columns, size_t w, size_t m)
      : syndromes(s), labels(l), n(columns), width(w), marks(m), hashes(columns, 0), first(w + m), second(w + m) {
    Word state = 0;
    std::vector<Word> bits(64 * width);
    for (Word& bit : bits) {  // splitmix64
      Word z = (state += 0x9e3779b97f4a7c15ull);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
      bit = z ^ (z >> 31);
    }
    for (size_t v = 0; v < n; ++v)
      for (size_t b = 0; b < 64 * width; ++b)
        if (syndromes[v * width + b / 64] >> (b % 64) & 1) hashes[v] ^= bits[b];
    waiting.reserve(kBatch);
  }

  // Least weight at most `most` of a kernel word with a label that is not 0, its columns in `word`; most + 1 where there is none.
  int run(int most) {
    empty(1);
    keep({1, 0}, 0, 0);  // the sum of no column
    for (int weight = 1; weight <= most; ++weight) {
      const int half = weight / 2;
      if (weight % 2 == 0) {
        double entries = 1;
        for (int j = 0; j < half; ++j) entries *= double(n - j) / double(j + 1);
        empty(size_t(entries + 0.5));
      }
      const bool hit = weight % 2 ? visit<false>(half + 1, half) : visit<true>(half, half);
      if (hit) return int(word.size());
    }
    return most + 1;
  }

 private:
  static constexpr size_t kBatch = 512;

  void empty(size_t entries) {
    int bits = 4;
    while ((size_t(3) << bits) / 4 < entries) ++bits;  // at most three quarters full
    shift = 64 - bits;
    table.assign(size_t(1) << bits, {0, 0});
    filter.assign(std::max<size_t>(1, (size_t(8) << bits) / 64), 0);
    mask = (Word(8) << bits) - 1;
  }

  Word place(Word key) const { return key >> 1 & mask; }  // in the filter

  void total(Word id, int count, Word* sum) const {
    std::memset(sum, 0, (width + marks) * sizeof(Word));
    for (int j = 0; j < count; ++j, id /= n) {
      const size_t v = size_t(id % n);
      for (size_t w = 0; w < width; ++w) sum[w] ^= syndromes[v * width + w];
      for (size_t w = 0; w < marks; ++w) sum[width + w] ^= labels[v * marks + w];
    }
  }

  // Looks a sum of `count` columns up among those of `held`; true: with the other it is the word. Puts it in the table where `Insert` says so.
  template <bool Insert>
  bool look(Slot sum, int count, int held) {
    bool known = false;  // whether `first` holds the sum
    for (size_t at = size_t(sum.key >> shift);; at = (at + 1) & (table.size() - 1)) {
      Slot& slot = table[at];
      if (!slot.key) {
        if (Insert) slot = sum, filter[place(sum.key) / 64] |= Word(1) << place(sum.key) % 64;
        return false;
      }
      if (slot.key != sum.key) continue;
      if (!known) total(sum.id, count, first.data()), known = true;
      total(slot.id, held, second.data());
      if (!std::equal(first.begin(), first.begin() + width, second.begin())) continue;  // the hashes agree by chance
      if (std::equal(first.begin() + width, first.end(), second.begin() + width)) return false;
      std::vector<char> odd(n, 0);
      for (int j = 0; j < count; ++j, sum.id /= n) odd[sum.id % n] ^= 1;
      for (int j = 0; j < held; ++j, slot.id /= n) odd[slot.id % n] ^= 1;
      word.clear();
      for (size_t v = 0; v < n; ++v)
        if (odd[v]) word.push_back(int(v));
      return true;
    }
  }

  void keep(Slot sum, int count, int held) { look<true>(sum, count, held); }

  template <bool Insert>
  bool flush(int count, int held) {
    for (const Slot& sum : waiting)
      if (look<Insert>(sum, count, held)) return true;
    waiting.clear();
    return false;
  }

  // All sums of `count` columns against those of `held`; true: the word was met.
  template <bool Insert>
  bool visit(int count, int held) {
    return descend<Insert>(0, 0, 0, count, count, held) || flush<Insert>(count, held);
  }

  template <bool Insert>
  bool descend(size_t start, Word hash, Word id, int left, int count, int held) {
    if (left > 1) {
      for (size_t v = start; v + left <= n; ++v)
        if (descend<Insert>(v + 1, hash ^ hashes[v], id * n + v, left - 1, count, held)) return true;
      return false;
    }
    for (size_t v = start; v < n; ++v) {
      const Word key = (hash ^ hashes[v]) | 1;
      if (!Insert && !(filter[place(key) / 64] >> place(key) % 64 & 1)) continue;
      __builtin_prefetch(&table[size_t(key >> shift)], Insert);
      waiting.push_back({key, id * n + v});
      if (waiting.size() == kBatch && flush<Insert>(count, held)) return true;
    }
    return false;
  }
};

}  // namespace meet
