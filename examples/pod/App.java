import java.lang.management.ManagementFactory;
import java.util.concurrent.atomic.AtomicLong;
import javax.management.ObjectName;

/** A JVM of the Pod: it shows its statistics the way that JVMs do, as MBeans, and knows nothing of Prometheus. */
public class App {
    public interface BasketMBean {
        long getItems();
        double getTotalEuros();
        boolean isOpen();
    }

    public static class Basket implements BasketMBean {
        private final AtomicLong items = new AtomicLong();
        private final double price;

        Basket(double price) {
            this.price = price;
        }

        public long getItems() {
            return items.get();
        }

        public double getTotalEuros() {
            return items.get() * price;
        }

        public boolean isOpen() {
            return true;
        }
    }

    public static void main(String[] arguments) throws Exception {
        Basket tea = new Basket(2.5);
        Basket cake = new Basket(3.25);
        var server = ManagementFactory.getPlatformMBeanServer();
        server.registerMBean(tea, new ObjectName("shop:type=Basket,name=tea"));
        server.registerMBean(cake, new ObjectName("shop:type=Basket,name=cake"));
        while (true) {
            tea.items.incrementAndGet();
            cake.items.addAndGet(2);
            Thread.sleep(100);
        }
    }
}
