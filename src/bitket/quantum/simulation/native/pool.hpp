// One persistent pool of threads. No OpenMP: a second spinning runtime beside PyTorch's stalls both.
//
// Tasks are claimed from a ticket (job number, next index). A caller waits for the tasks that were claimed, never for threads:
// a worker that sleeps, or that the system has set aside, costs nothing. Workers spin for a bounded time and then sleep.
#pragma once
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

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
    // Never destroyed, as workers may outlive static destruction at exit. After a fork the child has no workers: it gets a new pool.
    static Pool& instance() {
        static Pool* pool = new Pool;
        if (pool->process_ != getpid()) pool = new Pool;
        return *pool;
    }

    // Threads that take part in a job, the caller included.
    int size() const { return threads_.load(std::memory_order_relaxed); }

    void resize(int threads) {
        std::lock_guard<std::mutex> one_caller(call_);
        threads_ = threads < 1 ? 1 : threads;
        for (; started_ + 1 < threads_; ++started_) std::thread([this, id = started_ + 1] { work(id); }).detach();
    }

    // Calls task(i, thread) for every i in [0, count), each once, in any order, on size() threads; returns when all are done.
    void run(int64_t count, const std::function<void(int64_t, int)>& task) {
        if (threads_ == 1 || count <= 1 || count >= kClosed) {
            for (int64_t i = 0; i < count; ++i) task(i, 0);
            return;
        }
        std::lock_guard<std::mutex> one_caller(call_);
        task_ = &task;
        count_ = count;
        done_ = 0;
        job_ += 1;
        ticket_.store(job_ << 32);
        {
            std::lock_guard<std::mutex> lock(sleep_);
            if (sleepers_) wake_.notify_all();
        }
        while (step(0)) {}
        for (int spins = 0; done_.load() < count; ++spins) spins < kSpins ? relax() : std::this_thread::yield();
        ticket_.store(job_ << 32 | kClosed);  // no worker may claim while the next job's fields are written
    }

private:
    static constexpr int kSpins = 2000;
    static constexpr uint64_t kClosed = 0xffffffff;

    bool open(uint64_t ticket) const { return static_cast<int64_t>(ticket & kClosed) < count_.load(); }

    // Claims and runs one task; false if there is none.
    bool step(int thread) {
        uint64_t ticket = ticket_.load();
        while (open(ticket)) {
            const auto* task = task_.load();
            if (!ticket_.compare_exchange_weak(ticket, ticket + 1)) continue;
            (*task)(static_cast<int64_t>(ticket & kClosed), thread);  // the caller waits for this task, so its fields are still there
            done_.fetch_add(1);
            return true;
        }
        return false;
    }

    void work(int id) {
        for (;;) {
            for (int spins = 0; spins < kSpins; ++spins) {
                if (id < threads_ && step(id)) spins = 0;
                else relax();
            }
            std::unique_lock<std::mutex> lock(sleep_);
            ++sleepers_;
            wake_.wait(lock, [&] { return id < threads_ && open(ticket_.load()); });
            --sleepers_;
        }
    }

    const pid_t process_ = getpid();
    int started_ = 0, sleepers_ = 0;
    uint64_t job_ = 0;
    std::atomic<int> threads_{1};
    std::mutex call_, sleep_;
    std::condition_variable wake_;
    std::atomic<uint64_t> ticket_{kClosed};
    std::atomic<int64_t> count_{0}, done_{0};
    std::atomic<const std::function<void(int64_t, int)>*> task_{nullptr};
};

}  // namespace bitket
