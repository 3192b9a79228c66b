using System.Buffers.Binary;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <content>The callers, and what interrupts them.</content>
public sealed partial class InterruptTests
{
    /// <summary>Threads that each own some pages, and another one that interrupts them.</summary>
    private sealed class Run(PCacheDevice device, int seed)
    {
        private readonly long[] _tried = new long[Threads * PagesEach];
        private readonly long[] _acknowledged = new long[Threads * PagesEach];
        private readonly bool[] _zeroed = new bool[Threads * PagesEach];
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _errors = [];
        private long _interrupted;
        private bool _stop;

        public IEnumerable<string> Errors => _errors;

        public long Interrupted => Volatile.Read(ref _interrupted);

        public void For(TimeSpan time)
        {
            Thread[] threads = [.. Enumerable.Range(0, Threads)
                .Select(n => new Thread(() => Work(n)) { IsBackground = true })];
            Array.ForEach(threads, thread => thread.Start());
            var random = new Random(seed);
            long until = Environment.TickCount64 + (long)time.TotalMilliseconds;
            while (Environment.TickCount64 < until)
            {
                threads[random.Next(Threads)].Interrupt();
                Thread.SpinWait(random.Next(3000));
                if (random.Next(20) == 0)
                {
                    Thread.Sleep(0);
                }
            }

            Volatile.Write(ref _stop, true);
            foreach (Thread thread in threads)
            {
                if (!thread.Join(TestRuns.HangLimit))
                {
                    _errors.Enqueue("a caller never came back");
                }
            }
        }

        public void WriteWhole(PCacheDevice to, int page)
        {
            long version = ++_tried[page];
            to.Write((long)page * PageBytes, Content(page, version));
            _acknowledged[page] = version;
            _zeroed[page] = false;
        }

        public void Verify(PCacheDevice from)
        {
            var buffer = new byte[PageBytes];
            for (int page = 0; page < _tried.Length; page++)
            {
                Assert.Equal(PageBytes, from.Read((long)page * PageBytes, buffer));
                for (int at = 0; at < PageBytes; at += 512)
                {
                    long version = BinaryPrimitives.ReadInt64LittleEndian(buffer.AsSpan(at));
                    Assert.True(
                        (version >= _acknowledged[page] && version <= _tried[page])
                            || (version == 0 && at == 0 && _zeroed[page]),
                        $"page {page}, byte {at}: version {version}, acknowledged {_acknowledged[page]}, tried "
                            + $"{_tried[page]}");
                }
            }
        }

        private static byte[] Content(int page, long version)
        {
            var bytes = new byte[PageBytes];
            for (int at = 0; at < PageBytes; at += 512)
            {
                BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(at), version);
                BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(at + 8), page);
            }

            return bytes;
        }

        private void Work(int number)
        {
            var random = new Random(seed * 100 + number);
            var buffer = new byte[PageBytes];
            while (!Volatile.Read(ref _stop))
            {
                int page = (number * PagesEach) + random.Next(PagesEach);
                long offset = (long)page * PageBytes;
                try
                {
                    switch (random.Next(10))
                    {
                        case 0:
                            device.Flush();
                            break;
                        case 1:
                            device.Read(offset, buffer);
                            break;
                        case 2:
                            Write(page, bytes => device.Write(offset, bytes, WriteDurability.ForceUnitAccess));
                            break;
                        case 3:
                            // First unaligned, so that it has to be merged, and may have to be read: the same bytes
                            // that are there, or will be.
                            Write(page, bytes =>
                            {
                                device.Write(offset, bytes.AsSpan(0, 300));
                                device.Write(offset, bytes);
                            });
                            break;
                        case 4:
                            Write(page, bytes => device.WriteBatch(
                                [new BlockWrite(offset, bytes.AsMemory(0, 2048)),
                                new BlockWrite(offset + 2048, bytes.AsMemory(2048))]));
                            break;
                        case 5:
                            using (var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(random.Next(1, 4))))
                            {
                                Write(page, bytes =>
                                {
                                    // To its end, whatever comes: it must not go on beside this page's next write.
                                    Task writing = device.WriteAsync(offset, bytes, WriteDurability.Normal, stop.Token)
                                        .AsTask();
                                    Uninterrupted.Wait(writing, Timeout.InfiniteTimeSpan);
                                    writing.GetAwaiter().GetResult();
                                });
                            }

                            break;
                        case 6:
                            Write(page, bytes =>
                            {
                                _zeroed[page] = true;
                                device.WriteZeroes(offset, 512);
                                device.Write(offset, bytes);
                            });
                            break;
                        default:
                            Write(page, bytes => device.Write(offset, bytes));
                            break;
                    }
                }
                catch (ThreadInterruptedException)
                {
                    Interlocked.Increment(ref _interrupted);
                }
                catch (Exception e) when (e is OperationCanceledException
                    || (e is IOException && (e.Message + e.InnerException?.Message)
                    .Contains("now and then", StringComparison.Ordinal)))
                {
                    // As asked for.
                }
                catch (Exception e)
                {
                    _errors.Enqueue(e.ToString());
                    return;
                }
            }
        }

        private void Write(int page, Action<byte[]> write)
        {
            long version = ++_tried[page];
            write(Content(page, version));
            _acknowledged[page] = version;
            _zeroed[page] = false;
        }
    }
}
