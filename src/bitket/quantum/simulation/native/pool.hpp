// One persistent pool of threads. Workers spin for a bounded time after a job and then sleep, so that back-to-back kernel
// calls find them awake and an idle process costs nothing. No OpenMP: a second spinning runtime beside PyTorch's stalls both.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bitket {

inline void relax() {
#if defined(__x86_64__)
    _mm_pause();
#else
    std::this_thread::yield();
#endif
}

class Pool {
public:
    static Pool& instance() {
        static Pool* pool = new Pool;  // never destroyed: workers may outlive static destruction at interpreter exit
        return *pool;
    }

    // Threads that take part in a job, the caller included.
    int size() const { return threads_; }

    void resize(int threads) {
        std::lock_guard<std::mutex> one_caller(call_);
        if (threads < 1) threads = 1;
        while (static_cast<int>(workers_.size()) + 1 < threads) {
            const int id = static_cast<int>(workers_.size()) + 1;
            workers_.emplace_back([this, id] { work(id); });
            workers_.back().detach();
        }
        threads_ = threads;
    }

    // Calls task(i, thread) for every i in [0, count), each once, in any order, on size() threads; returns when all are done.
    void run(int64_t count, const std::function<void(int64_t, int)>& task) {
        if (threads_ == 1 || count <= 1) {
            for (int64_t i = 0; i < count; ++i) task(i, 0);
            return;
        }
        std::lock_guard<std::mutex> one_caller(call_);
        const int helpers = static_cast<int>(workers_.size());  // all report back, also those that a smaller size() leaves idle
        task_ = &task;
        count_ = count;
        next_.store(0, std::memory_order_relaxed);
        active_ = threads_ - 1;
        pending_.store(helpers, std::memory_order_relaxed);
        {
            std::lock_guard<std::mutex> lock(sleep_);
            epoch_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        drain(0);
        while (pending_.load(std::memory_order_acquire) > 0) relax();
    }

private:
    static constexpr int kSpins = 2000;

    void drain(int thread) {
        for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) (*task_)(i, thread);
    }

    void work(int id) {
        uint64_t seen = 0;
        for (;;) {
            int spins = 0;
            while (epoch_.load(std::memory_order_acquire) == seen && spins < kSpins) { relax(); ++spins; }
            if (epoch_.load(std::memory_order_acquire) == seen) {
                std::unique_lock<std::mutex> lock(sleep_);
                wake_.wait(lock, [&] { return epoch_.load(std::memory_order_acquire) != seen; });
            }
            seen = epoch_.load(std::memory_order_acquire);
            if (id <= active_) drain(id);
            pending_.fetch_sub(1, std::memory_order_acq_rel);
        }
    }

    std::vector<std::thread> workers_;
    int threads_ = 1;
    int active_ = 0;
    std::mutex call_, sleep_;
    std::condition_variable wake_;
    std::atomic<uint64_t> epoch_{0};
    std::atomic<int64_t> next_{0};
    std::atomic<int> pending_{0};
    int64_t count_ = 0;
    const std::function<void(int64_t, int)>* task_ = nullptr;
};

}  // namespace bitket
